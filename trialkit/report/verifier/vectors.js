"use strict";
/* Replaying the test vectors: specification, section 11. */
(function (trialkit) {
  const { FORMAT, Failure, byteOrder, checkedPlan, drawFrom, hash, jcs, hashText, isObject, parseCanonical } = trialkit;
  const { Stream, isText, shuffle, unhex, unrank, utf8, verify, verifyLedger, verifyRecord } = trialkit;

  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  const verdict = (trace) => (trace.ok ? "OK" : trace.failure);

  /** "OK", or the name of what `work` threw. */
  function outcome(work) {
    try {
      work();
      return "OK";
    } catch (error) {
      if (error instanceof Failure) return error.name;
      throw error;
    }
  }

  function unitsOf({ units, units_rule: rule }) {
    if (!rule) return units;
    const numbers = Array.from({ length: rule.to - rule.from + 1 }, (_, i) => rule.from + i);
    return numbers.map((n) => ({ id: rule.prefix + String(n).padStart(rule.width, "0"), ...rule.members }));
  }

  const nfc = (text) => (typeof text === "string" ? text.normalize("NFC") : text);

  /** NFC for the text values of section 3, wherever they stand; everything else is kept. */
  function normalised(value, key = "") {
    if (Array.isArray(value)) return value.map((entry) => normalised(entry, key));
    if (!isObject(value)) return TEXT_KEYS.has(key) ? nfc(value) : value;
    return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, normalised(entry, name)]));
  }

  const TEXT_KEYS = new Set([
    "title",
    "id",
    "block",
    "cluster",
    "fixed",
    "name",
    "strata",
    "covariates",
    "party",
    "value",
  ]);

  /** Prepare a draft: format and kind, step 6, NFC, order, steps 7 to 10. */
  function prepare(draft) {
    const { units_rule: _, ...rest } = { ...draft, units: unitsOf(draft), format: FORMAT, kind: "protocol" };
    trialkit.checkSchema(rest);
    const protocol = normalised(rest);
    protocol.units.sort((a, b) => byteOrder(a.id, b.id));
    if (protocol.design.quotas) protocol.design.quotas.sort((a, b) => byteOrder(a.block, b.block));
    checkedPlan(protocol);
    return protocol;
  }

  function drawn({ draft, evidence }) {
    try {
      return drawFrom(prepare(draft), evidence);
    } catch (error) {
      if (error instanceof Failure) return { ok: false, failure: error.name };
      throw error;
    }
  }

  function drawAgrees(vector) {
    const { expect } = vector;
    const trace = drawn(vector);
    if (!trace.ok || expect.error) return trace.failure === expect.error;
    const again = verifyRecord(utf8(jcs(trace.record)));
    return (
      again.ok &&
      trace.protocolHash === expect.protocol_hash &&
      trace.seed === expect.seed &&
      hashText(trace.resultText) === expect.result_sha256 &&
      trace.recordHash === expect.record_sha256 &&
      trace.grade === expect.grade &&
      same(trace.warnings, expect.warnings) &&
      (!expect.result || jcs(expect.result) === trace.resultText)
    );
  }

  const traceAgrees = (trace, expect, warnings) => verdict(trace) === expect && same(trace.warnings, warnings);

  function ledgerAgrees({ ledger, record, head, expect, warnings }) {
    const recordTrace = record === undefined ? undefined : verifyRecord(utf8(record));
    return traceAgrees(verifyLedger(utf8(ledger), recordTrace, head ?? ""), expect, warnings);
  }

  function uniformChecks({ name, seed, label, moduli, values }) {
    const stream = new Stream(seed, label);
    return moduli.map((m, i) => {
      const found = BigInt(m) <= 2n ** 32n ? String(stream.below(Number(m))) : String(stream.belowBig(BigInt(m)));
      return [`${name}, ${i}`, () => found === values[i]];
    });
  }

  function shuffleAgrees({ seed, label, n, sha256, order }) {
    const found = shuffle(
      Array.from({ length: n }, (_, i) => i),
      new Stream(seed, label),
    );
    return hash(found) === sha256 && (!order || same(found, order));
  }

  function streamAgrees({ seed, label, bytes, hex }) {
    const stream = new Stream(seed, label);
    return trialkit.hex(Array.from({ length: bytes }, () => stream.byte())) === hex;
  }

  function rankAgrees({ counts, rank, total, arrangement }) {
    const found = trialkit.arrangements(counts, BigInt(total));
    return String(found) === total && same(unrank(counts, BigInt(rank), found), arrangement);
  }

  function textAgrees({ input, expect, output }) {
    const text = nfc(input);
    return isText(text) ? expect === "OK" && text === output : expect === "E_TEXT";
  }

  const SIMPLE = {
    canonical: ({ value, jcs: text, sha256 }) => jcs(value) === text && hash(value) === sha256,
    parse: ({ bytes_hex: bytes, expect }) => outcome(() => parseCanonical(unhex(bytes))) === expect,
    text: textAgrees,
    stream: streamAgrees,
    shuffle: shuffleAgrees,
    rank: rankAgrees,
    commitments: ({ draw_id: id, party, secret, commitment }) =>
      trialkit.commitmentOf(id, party, secret) === commitment,
    draws: drawAgrees,
    records: ({ record, expect, warnings }) => traceAgrees(verifyRecord(utf8(record)), expect, warnings),
    ledgers: ledgerAgrees,
    witness: (v) =>
      trialkit.witnessMessage(v) === v.message &&
      trialkit.ed25519Valid(v.public_key, utf8(v.message), v.signature) === v.valid,
  };

  function blsRecordChecks(vector, bls) {
    const { name, record, expect_with_bls: expect, warnings_with_bls: warnings } = vector;
    const without = () =>
      traceAgrees(verifyRecord(utf8(record)), vector.expect_without_bls, vector.warnings_without_bls);
    const withIt = bls && (() => traceAgrees(verifyRecord(utf8(record), bls), expect, warnings));
    return [
      [`${name}, without BLS`, without],
      [`${name}, with BLS`, withIt],
    ];
  }

  function confirmedCheck({ name, record, ledger, bls: needsBls, confirmed }, bls) {
    const work = () => {
      const found = verify({ record: utf8(record), ledger: utf8(ledger), bls: needsBls ? bls : undefined });
      return (found.verdict === "CONFIRMED") === confirmed;
    };
    return [name, needsBls && !bls ? undefined : work];
  }

  function drandCheck({ name, round, time, signature, randomness, valid }, bls) {
    const work = () =>
      bls(signature, round) === valid &&
      trialkit.roundTime(round) === time &&
      trialkit.randomness(signature) === randomness;
    return [name, bls && work];
  }

  /** [group, name, work] per check; `work` is undefined where BLS is needed and this build has none. */
  function vectorChecks(vectors, bls) {
    const checks = [];
    const put = (group, list) => list.forEach(([name, work]) => checks.push([group, name, work]));
    for (const [group, agrees] of Object.entries(SIMPLE)) {
      put(
        group,
        vectors[group].map((vector) => [vector.name, () => agrees(vector)]),
      );
    }
    vectors.uniform.forEach((vector) => put("uniform", uniformChecks(vector)));
    vectors.records_bls.forEach((vector) => put("records_bls", blsRecordChecks(vector, bls)));
    put(
      "confirmed",
      vectors.confirmed.map((vector) => confirmedCheck(vector, bls)),
    );
    put(
      "drand",
      vectors.drand.map((vector) => drandCheck(vector, bls)),
    );
    put("drand_chain", [[vectors.drand_chain.name, () => chainAgrees(vectors.drand_chain)]]);
    return checks;
  }

  const chainAgrees = (chain) =>
    trialkit.chainHash(chain) === chain.chain_hash && chain.chain_hash === trialkit.QUICKNET;

  /** Replay a whole vector file: {passed, failed: [[group, name]], skipped: [[group, name]], total}. */
  function replayVectors(vectors, bls) {
    const report = { passed: 0, failed: [], skipped: [], total: 0 };
    for (const [group, name, work] of vectorChecks(vectors, bls)) {
      report.total += 1;
      if (!work) report.skipped.push([group, name]);
      else if (work()) report.passed += 1;
      else report.failed.push([group, name]);
    }
    return report;
  }

  Object.assign(trialkit, { replayVectors });
})((globalThis.trialkit ??= {}));

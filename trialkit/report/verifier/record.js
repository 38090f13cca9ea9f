"use strict";
/* Verifying a record: specification, section 10, steps 1 to 13. */
(function (trialkit) {
  const { FORMAT, Failure, atStep, grade, hash, hashText, hasMembers, isObject, jcs, parseCanonical, resultOf } =
    trialkit;

  const MEMBERS = ["format", "kind", "protocol", "protocol_hash", "evidence", "seed", "result"];

  function checkFormat(value, kind) {
    if (!isObject(value) || value.format !== FORMAT || value.kind !== kind)
      throw new Failure("E_FORMAT", { expected: kind });
  }

  function checkMembers(record) {
    const good =
      hasMembers(record, MEMBERS) &&
      isObject(record.protocol) &&
      isObject(record.result) &&
      Array.isArray(record.evidence) &&
      typeof record.protocol_hash === "string" &&
      typeof record.seed === "string";
    if (!good) throw new Failure("E_SCHEMA", { path: "record" });
  }

  /** Steps 6 to 10: all that can be said of a protocol before the chance comes. Returns the plan. */
  function checkedPlan(protocol) {
    atStep(6, () => trialkit.checkSchema(protocol));
    atStep(7, () => trialkit.checkTexts(protocol));
    atStep(8, () => trialkit.checkNames(protocol));
    const plan = atStep(9, () => trialkit.planOf(protocol));
    atStep(10, () => trialkit.checkSources(protocol));
    return plan;
  }

  function recordWarnings({ entropy, design, quorum }, plan, blsDone) {
    const kinds = entropy.map((source) => source.kind);
    const warnings = [];
    if (grade({ entropy }) === "research") warnings.push("W_RESEARCH_ONLY");
    if (kinds.includes("drand") && !blsDone) warnings.push("W_DRAND_UNVERIFIED");
    if (plan.parts.some((part) => part.leftover)) warnings.push("W_LEFTOVER");
    if (quorum === 0) warnings.push("W_NO_WITNESS");
    if (design.kind === "sequential" && !kinds.includes("commit")) warnings.push("W_NOT_CONCEALED");
    return warnings.sort();
  }

  /**
   * Draw: steps 4 and 6 to 13 on a protocol and its evidence. What was worked out stands in `trace`, also if a step
   * fails; `claimed` is the record's own {seed, result}, if there is one to compare with.
   */
  function draw(protocol, evidence, bls, trace, claimed) {
    const plan = (trace.plan = checkedPlan(protocol));
    atStep(11, () => trialkit.checkEvidence(protocol, plan, evidence, bls));
    trace.values = trialkit.seedValues(protocol, evidence);
    trace.seedText = trialkit.seedText(trace.protocolHash, trace.values);
    trace.seed = hashText(trace.seedText);
    if (claimed && trace.seed !== claimed.seed) {
      throw Object.assign(new Failure("E_SEED", { found: claimed.seed, expected: trace.seed }), { step: 12 });
    }
    atStep(13, () => {
      trace.result = resultOf(plan, trace.seed);
      trace.resultText = jcs(trace.result);
      if (claimed && jcs(claimed.result) !== trace.resultText) throw new Failure("E_RESULT");
    });
    trace.warnings = recordWarnings(protocol, plan, Boolean(bls));
    trace.grade = grade(protocol);
  }

  /** The document that publishes a draw. */
  const recordOf = (protocol, evidence, trace) => ({
    format: FORMAT,
    kind: "record",
    protocol,
    protocol_hash: trace.protocolHash,
    evidence,
    seed: trace.seed,
    result: trace.result,
  });

  /** Run `work(trace)`; a Failure ends up in the trace, any other error is a fault of this program and is thrown. */
  function traced(work) {
    const trace = { ok: false, failure: "", step: 0, facts: {}, warnings: [] };
    try {
      work(trace);
      trace.ok = true;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      Object.assign(trace, { failure: error.name, step: error.step, facts: error.facts, warnings: [] });
    }
    return trace;
  }

  /**
   * Verify a record (Uint8Array). `bls(signature, round)` verifies drand, or is undefined.
   * Returns {ok, failure, step, facts, warnings, record, plan, protocolHash, values, seedText, seed, result,
   * resultText, recordHash, grade, drandVerified}; what a failing step did not reach is missing.
   */
  function verifyRecord(bytes, bls) {
    return traced((trace) => {
      const record = atStep(1, () => parseCanonical(bytes));
      atStep(2, () => checkFormat(record, "record"));
      trace.record = record;
      atStep(3, () => checkMembers(record));
      const { protocol } = record;
      atStep(4, () => checkFormat(protocol, "protocol"));
      trace.protocolText = jcs(protocol);
      trace.protocolHash = hashText(trace.protocolText);
      atStep(5, () => {
        if (trace.protocolHash === record.protocol_hash) return;
        throw new Failure("E_PROTOCOL_HASH", { found: record.protocol_hash, expected: trace.protocolHash });
      });
      draw(protocol, record.evidence, bls, trace, record);
      trace.recordHash = hash(record);
      trace.drandVerified = Boolean(bls) && protocol.entropy.some((source) => source.kind === "drand");
    });
  }

  /** A committed protocol (Uint8Array) before its chance comes: {ok, failure, ..., protocol, protocolHash, plan}. */
  function readProtocol(bytes) {
    return traced((trace) => {
      trace.protocol = atStep(1, () => parseCanonical(bytes));
      atStep(4, () => checkFormat(trace.protocol, "protocol"));
      trace.protocolText = jcs(trace.protocol);
      trace.protocolHash = hashText(trace.protocolText);
      trace.plan = checkedPlan(trace.protocol);
    });
  }

  /** Draw from a protocol (an object) and evidence: a trace as above, with `record` if it succeeded. */
  function drawFrom(protocol, evidence, bls) {
    return traced((trace) => {
      atStep(4, () => checkFormat(protocol, "protocol"));
      trace.protocolText = jcs(protocol);
      trace.protocolHash = hashText(trace.protocolText);
      draw(protocol, evidence, bls, trace);
      trace.record = recordOf(protocol, evidence, trace);
      trace.recordHash = hash(trace.record);
      trace.drandVerified = Boolean(bls) && protocol.entropy.some((source) => source.kind === "drand");
    });
  }

  Object.assign(trialkit, { traced, checkedPlan, verifyRecord, readProtocol, drawFrom });
})((globalThis.trialkit ??= {}));

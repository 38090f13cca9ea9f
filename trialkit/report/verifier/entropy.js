"use strict";
/* Where the chance comes from: specification, section 4.3 (steps 6, 10 and 11 of section 10). */
(function (trialkit) {
  const { FORMAT, Failure, hasMembers, hash, hex, isHex, isObject, sha256, unhex, within } = trialkit;

  const QUICKNET = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971";
  const LAST_ROUND = 2 ** 36;
  const FEWEST_OUTCOMES = 2n ** 64n;
  const isString = (value) => typeof value === "string";

  const SOURCES = {
    drand: (source) =>
      hasMembers(source, ["kind", "chain", "round"]) &&
      source.chain === QUICKNET &&
      within(source.round, 1, LAST_ROUND),
    rolls: (source) =>
      hasMembers(source, ["kind", "low", "high", "count", "distinct"]) &&
      within(source.low, 0, 999) &&
      within(source.high, source.low + 1, 1000) &&
      within(source.count, 1, 1000) &&
      typeof source.distinct === "boolean",
    number: (source) => hasMembers(source, ["kind"]),
    commit: (source) =>
      hasMembers(source, ["kind", "party", "commitment"]) && isString(source.party) && isHex(source.commitment, 64),
    published: (source) => hasMembers(source, ["kind", "value"]) && isString(source.value),
  };

  /** Step 6, one source: members, types, ranges. */
  const isSource = (source) =>
    isObject(source) && isString(source.kind) && Object.hasOwn(SOURCES, source.kind) && SOURCES[source.kind](source);

  /** How many different outcomes a series of throws has, or a number above 2^64 as soon as it is known to be enough. */
  function outcomes({ low, high, count, distinct }) {
    let left = BigInt(high - low + 1);
    let product = 1n;
    for (let i = 0; i < count && product < FEWEST_OUTCOMES * 1000n; i++) {
      product *= left;
      if (distinct) left -= 1n;
      if (left === 0n && i + 1 < count) return 0n; // more balls than the drum holds
    }
    return product;
  }

  const ofKind = (entropy, kind) => entropy.filter((source) => source.kind === kind);

  /** Step 10: sources that do not go together (E_DESIGN), then too little chance (E_ENTROPY_SHORT). */
  function checkSources({ entropy, method }) {
    if (ofKind(entropy, "drand").length > 1) throw new Failure("E_DESIGN", { why: "two_drand" });
    if (ofKind(entropy, "number").length && (entropy.length > 1 || method !== "rank")) {
      throw new Failure("E_DESIGN", { why: "number_alone" });
    }
    const short = ofKind(entropy, "rolls").find((source) => outcomes(source) < FEWEST_OUTCOMES);
    if (short) throw new Failure("E_ENTROPY_SHORT", { source: entropy.indexOf(short) });
  }

  const grade = ({ entropy }) =>
    entropy.some((source) => ["drand", "rolls", "number"].includes(source.kind)) ||
    ofKind(entropy, "commit").length >= 2
      ? "official"
      : "research";

  const commitmentOf = (drawId, party, secret) => hash([FORMAT, "commit", drawId, party, secret]);

  function isRolls(values, { low, high, count, distinct }) {
    if (!Array.isArray(values) || values.length !== count) return false;
    if (!values.every((value) => within(value, low, high))) return false;
    return !distinct || new Set(values).size === count;
  }

  const isTries = (tries) => Array.isArray(tries) && tries.every((entry) => isString(entry) && /^[0-9]+$/.test(entry));

  const EVIDENCE = {
    drand: (given, source) =>
      hasMembers(given, ["kind", "round", "signature"]) && given.round === source.round && isHex(given.signature, 96),
    rolls: (given, source) => hasMembers(given, ["kind", "values"]) && isRolls(given.values, source),
    number: (given) => hasMembers(given, ["kind", "tries"]) && isTries(given.tries),
    commit: (given) => hasMembers(given, ["kind", "secret"]) && isHex(given.secret, 64),
    published: (given) => hasMembers(given, ["kind"]),
  };

  /** One source, opened (step 11). `bls` verifies drand signatures, or is undefined: then nothing is said. */
  function checkOpened({ draw_id: drawId }, plan, source, given, at, bls) {
    const facts = { source: at };
    if (given.kind !== source.kind || !EVIDENCE[source.kind](given, source)) throw new Failure("E_EVIDENCE", facts);
    if (source.kind === "number") plan.accepted = trialkit.numberRun(plan, given.tries, facts);
    if (source.kind === "commit" && commitmentOf(drawId, source.party, given.secret) !== source.commitment) {
      throw new Failure("E_COMMITMENT", { ...facts, party: source.party });
    }
    if (source.kind === "drand" && bls && !bls(given.signature, given.round)) {
      throw new Failure("E_DRAND_SIGNATURE", { ...facts, round: given.round });
    }
  }

  /** Step 11, source by source. For `number` the whole run of section 6.3 is made here and kept in `plan.accepted`. */
  function checkEvidence(protocol, plan, evidence, bls) {
    const { entropy } = protocol;
    if (evidence.length !== entropy.length || !evidence.every(isObject)) {
      throw new Failure("E_EVIDENCE", { found: evidence.length, expected: entropy.length });
    }
    entropy.forEach((source, at) => checkOpened(protocol, plan, source, evidence[at], at, bls));
  }

  const randomness = (signature) => hex(sha256(unhex(signature)));

  /** What one opened source contributes to the seed. */
  function seedValue(source, given) {
    if (source.kind === "drand") return ["drand", source.chain, source.round, randomness(given.signature)];
    if (source.kind === "rolls") return ["rolls", given.values];
    if (source.kind === "number") return ["number", given.tries];
    if (source.kind === "commit") return ["commit", source.party, given.secret];
    return ["published", source.value];
  }

  const seedValues = ({ entropy }, evidence) => entropy.map((source, at) => seedValue(source, evidence[at]));

  Object.assign(trialkit, {
    QUICKNET,
    isSource,
    checkSources,
    grade,
    commitmentOf,
    checkEvidence,
    randomness,
    seedValues,
  });
})((globalThis.trialkit ??= {}));

"use strict";
/* From the seed to the result: specification, sections 6.2 to 6.5. */
(function (trialkit) {
  const { Failure, Stream, countsOf, shuffle, unrank } = trialkit;

  /** Codes (label indices, one per free item) of one attempt by shuffle. */
  function shuffled(plan, seed, attempt) {
    const codes = new Int32Array(plan.free.length);
    for (const part of plan.parts) {
      const counts = countsOf(part, seed, attempt);
      const order = shuffle(part.items, new Stream(seed, ["shuffle", part.kind, part.name, attempt]));
      let label = 0;
      let room = counts[0];
      for (const item of order) {
        while (room === 0) room = counts[++label];
        codes[item.at] = label;
        room -= 1;
      }
    }
    return codes;
  }

  /** Codes of the allocation with this number; part 1 is the most significant digit. */
  function ranked(plan, rank) {
    const codes = new Int32Array(plan.free.length);
    let rest = rank;
    for (let p = plan.parts.length - 1; p >= 0; p--) {
      const part = plan.parts[p];
      const arrangement = unrank(part.counts, rest % part.arrangements, part.arrangements);
      rest /= part.arrangements;
      part.items.forEach((item, i) => (codes[item.at] = arrangement[i]));
    }
    return codes;
  }

  const mostAttempts = ({ protocol }) => protocol.design.constraint?.max_attempts ?? 1;
  const meets = (plan, codes) => !plan.accepts || plan.accepts(codes);

  /** The first attempt that meets the constraint: {attempt, rank, codes}. Throws E_NO_ACCEPT. */
  function firstAccepted(plan, seed) {
    const byRank = plan.protocol.method === "rank";
    const ranks = byRank && new Stream(seed, ["rank", "all", "", 0]);
    const most = mostAttempts(plan);
    for (let attempt = 0; attempt < most; attempt++) {
      const rank = byRank ? ranks.belowBig(plan.total) : undefined;
      const codes = byRank ? ranked(plan, rank) : shuffled(plan, seed, attempt);
      if (meets(plan, codes)) return { attempt, rank: byRank ? String(rank) : "", codes };
    }
    throw new Failure("E_NO_ACCEPT", { attempts: most });
  }

  /**
   * The ranks of a physical draw: tries of exactly as many digits as N-1 has; those >= N are skipped and are no
   * attempts; the accepted one must be the last try. Throws E_EVIDENCE.
   */
  function numberRun(plan, tries, facts) {
    const digits = String(plan.total - 1n).length;
    const most = mostAttempts(plan);
    let attempt = 0;
    for (let i = 0; i < tries.length; i++) {
      if (tries[i].length !== digits) throw new Failure("E_EVIDENCE", { ...facts, found: tries[i], expected: digits });
      const rank = BigInt(tries[i]);
      if (rank >= plan.total) continue;
      if (attempt === most) break;
      const codes = ranked(plan, rank);
      if (meets(plan, codes)) {
        if (i !== tries.length - 1) break; // a number thrown after the accepted one
        return { attempt, rank: String(rank), codes };
      }
      attempt += 1;
    }
    throw new Failure("E_EVIDENCE", facts);
  }

  /** Position of each free item in a lottery: the tiers one after the other. */
  function positions(plan, codes) {
    const places = new Int32Array(codes.length);
    let before = 1;
    for (const part of plan.parts) {
      for (const item of part.items) places[item.at] = before + codes[item.at];
      before += part.items.length;
    }
    return places;
  }

  function lotteryEntries(plan, codes) {
    const { design, units } = plan.protocol;
    const place = positions(plan, codes);
    const entries = new Array(units.length);
    for (const item of plan.items) {
      const position = place[item.at];
      const label = position <= design.places ? "offer" : "waiting";
      for (const at of item.members) entries[at] = { id: units[at].id, label, position };
    }
    return entries;
  }

  function labelEntries(plan, codes) {
    const { units } = plan.protocol;
    const entries = new Array(units.length);
    for (const item of plan.items) {
      const label = item.fixed ?? plan.labels[codes[item.at]];
      for (const at of item.members) entries[at] = { id: units[at].id, label };
    }
    return entries;
  }

  function sequenceOf(design, seed, stratum) {
    const stream = new Stream(seed, ["sequence", "stratum", stratum, 0]);
    const total = design.labels.reduce((sum, label) => sum + label.weight, 0);
    const labels = [];
    while (labels.length < design.length) {
      const size = design.blocks[stream.below(design.blocks.length)];
      const block = design.labels.flatMap(({ name, weight }) => new Array((weight * size) / total).fill(name));
      for (const name of shuffle(block, stream)) labels.push(name);
    }
    labels.length = design.length;
    return labels;
  }

  /** Section 6.4 or 6.5: the result of this plan with this seed. Throws E_NO_ACCEPT. */
  function resultOf(plan, seed) {
    const { design } = plan.protocol;
    if (design.kind === "sequential") {
      const lists = design.strata.map((stratum) => ({ stratum, labels: sequenceOf(design, seed, stratum) }));
      return { attempt: 0, rank: "", lists };
    }
    const { attempt, rank, codes } = plan.accepted ?? firstAccepted(plan, seed);
    const allocation = design.kind === "lottery" ? lotteryEntries(plan, codes) : labelEntries(plan, codes);
    return { attempt, rank, allocation };
  }

  Object.assign(trialkit, { numberRun, resultOf });
})((globalThis.trialkit ??= {}));

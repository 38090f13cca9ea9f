"use strict";
/* From a protocol to its parts and counts, and what a design must satisfy: specification, sections 4.2 and 6. */
(function (trialkit) {
  const { Failure, Stream, arrangements, byteOrder, inByteOrder, skeleton } = trialkit;

  const MOST_RANKS = 10n ** 18n;
  const MOST_ENTRIES = 1_000_000; // strata x length
  const MOST_WORK = 100_000_000; // attempts x free items
  const BY_BLOCK = ["blocked", "matched", "blocked_wedge"];

  const wrong = (why, facts = {}) => new Failure("E_DESIGN", { why, ...facts });

  /** What is drawn: units, or distinct clusters, in canonical order. `members` are positions in `units`. */
  function itemsOf({ design, units }) {
    const item = (name, unit, at) => ({ name, block: unit.block, tier: unit.tier, fixed: unit.fixed, members: [at] });
    if (design.level !== "cluster") return units.map((unit, at) => item(unit.id, unit, at));
    const clusters = new Map();
    units.forEach((unit, at) => {
      const found = clusters.get(unit.cluster);
      if (!found) clusters.set(unit.cluster, item(unit.cluster, unit, at));
      else if (["block", "tier", "fixed"].some((key) => found[key] !== unit[key])) {
        throw new Failure("E_CLUSTER_SPLIT", { cluster: unit.cluster, unit: unit.id });
      } else found.members.push(at);
    });
    return [...clusters.values()].sort((a, b) => byteOrder(a.name, b.name));
  }

  function grouped(items, key) {
    const groups = new Map();
    for (const item of items) {
      if (!groups.has(item[key])) groups.set(item[key], []);
      groups.get(item[key]).push(item);
    }
    return groups;
  }

  /** [kind, name, items] per part of section 6.1, without counts. */
  function divided(design, free) {
    if (BY_BLOCK.includes(design.kind)) {
      const blocks = grouped(free, "block");
      return inByteOrder(blocks.keys()).map((block) => ["block", block, blocks.get(block)]);
    }
    if (design.kind === "lottery") {
      const tiers = grouped(free, "tier");
      return [...tiers.keys()].sort((a, b) => a - b).map((tier) => ["tier", String(tier), tiers.get(tier)]);
    }
    return [["all", "", free]];
  }

  function checkSequential({ method, design }) {
    const total = design.labels.reduce((sum, label) => sum + label.weight, 0);
    if (method !== "shuffle") throw wrong("sequential_rank");
    if (design.strata.length * design.length > MOST_ENTRIES) throw wrong("too_long");
    const odd = design.blocks.find((size) => size % total !== 0);
    if (odd !== undefined) throw wrong("block_size", { found: odd, expected: total });
    if (new Set(design.blocks).size !== design.blocks.length) throw wrong("block_size_twice");
  }

  function checkQuotas(design, items) {
    const blocks = inByteOrder(new Set(items.map((item) => item.block)));
    const quotas = design.quotas;
    const same = blocks.length === quotas.length && blocks.every((block, i) => block === quotas[i].block);
    if (!same) throw wrong("quota_blocks");
    const uneven = quotas.find((quota) => quota.places.length !== design.labels.length);
    if (uneven) throw wrong("quota_places", { block: uneven.block });
  }

  /** All E_DESIGN rules that need no counts. */
  function checkDesignRules({ design }, items, free) {
    const names = new Set((design.labels ?? []).map((label) => label.name));
    const lost = items.find((item) => item.fixed !== undefined && !names.has(item.fixed));
    if (lost) throw wrong("fixed_label", { unit: lost.name, found: lost.fixed });
    if (free.length === 0) throw wrong("none_free");
    if (design.kind === "blocked_wedge") checkQuotas(design, items);
    if (design.kind === "rollout") {
      const taken = design.labels.find((label) => skeleton(label.name) === "waiting");
      if (taken) throw wrong("reserved_label", { found: taken.name });
    }
    if (design.constraint && design.constraint.max_attempts * free.length > MOST_WORK) throw wrong("too_much_work");
  }

  /** A part whose counts follow from weights: base, remainders, and whether a leftover is drawn. */
  function weighed(kind, name, items, labels) {
    const total = labels.reduce((sum, label) => sum + label.weight, 0);
    const shares = labels.map((label) => items.length * label.weight); // at most 10^12: exact
    const base = shares.map((share) => Math.floor(share / total));
    const rest = shares.map((share) => share % total);
    return { kind, name, items, counts: base, rest, total, leftover: rest.some((r) => r > 0) };
  }

  const plain = (kind, name, items, counts) => ({ kind, name, items, counts, leftover: false });

  function freePlaces(places, labels, fixed, name) {
    const taken = new Map(labels.map((label) => [label.name, 0]));
    for (const item of fixed) taken.set(item.fixed, taken.get(item.fixed) + 1);
    return labels.map((label, j) => {
      const left = places[j] - taken.get(label.name);
      if (left < 0)
        throw new Failure("E_PLACES", {
          label: label.name,
          block: name,
          places: places[j],
          fixed: taken.get(label.name),
        });
      return left;
    });
  }

  function exactPlaces(places, labels, fixed, count, name) {
    const left = freePlaces(places, labels, fixed, name);
    const sum = left.reduce((a, b) => a + b, 0);
    if (sum !== count) throw new Failure("E_PLACES", { block: name, places: sum, items: count });
    return left;
  }

  const fixedAmong = (items) => items.filter((item) => item.fixed !== undefined);

  function wedgeByBlock(design, items, divisions) {
    const blocks = grouped(items, "block");
    const free = new Map(divisions.map(([, name, members]) => [name, members]));
    const parts = [];
    for (const { block, places } of design.quotas) {
      const members = free.get(block) ?? [];
      const counts = exactPlaces(places, design.labels, fixedAmong(blocks.get(block)), members.length, block);
      if (members.length) parts.push(plain("block", block, members, counts));
    }
    return parts;
  }

  function waves(design, items, free) {
    let left = free.length;
    const places = design.labels.map((label) => label.places);
    const counts = freePlaces(places, design.labels, fixedAmong(items), "").map((room) => {
      const count = Math.min(room, left);
      left -= count;
      return count;
    });
    return left > 0 ? [...counts, left] : counts;
  }

  function checkTuples(design, divisions) {
    const total = design.labels.reduce((sum, label) => sum + label.weight, 0);
    const odd = divisions.find(([, , members]) => members.length !== total);
    if (odd) throw wrong("tuple", { block: odd[1], items: odd[2].length, expected: total });
  }

  /** The parts with their counts (a leftover is added when drawing). Throws E_DESIGN, then E_PLACES. */
  function partsOf({ method, design }, items, free) {
    const divisions = divided(design, free);
    if (design.kind === "matched") checkTuples(design, divisions);
    if (["complete", "blocked", "matched"].includes(design.kind)) {
      const parts = divisions.map(([kind, name, members]) => weighed(kind, name, members, design.labels));
      const uneven = parts.find((part) => part.leftover);
      if (method === "rank" && uneven) throw wrong("rank_leftover", { block: uneven.name });
      return parts;
    }
    if (design.kind === "lottery") {
      return divisions.map(([kind, name, members]) =>
        plain(
          kind,
          name,
          members,
          members.map(() => 1),
        ),
      );
    }
    if (design.kind === "blocked_wedge") return wedgeByBlock(design, items, divisions);
    if (design.kind === "rollout") return [plain("all", "", free, waves(design, items, free))];
    const places = design.labels.map((label) => label.places);
    return [plain("all", "", free, exactPlaces(places, design.labels, fixedAmong(items), free.length, ""))];
  }

  function rankTotal(parts) {
    let total = 1n;
    for (const part of parts) {
      part.arrangements = arrangements(part.counts, MOST_RANKS);
      total *= part.arrangements;
      if (total > MOST_RANKS) throw new Failure("E_RANK_SIZE");
    }
    return total;
  }

  /**
   * Step 9: everything that can be said before chance comes.
   * Returns {protocol, items, free, parts, labels, total (rank: N), accepts (constraint) or undefined}.
   */
  function planOf(protocol) {
    const { design, method } = protocol;
    const items = itemsOf(protocol);
    if (design.kind === "sequential") {
      checkSequential(protocol);
      return { protocol, items, free: [], parts: [], labels: design.labels.map((label) => label.name) };
    }
    const free = items.filter((item) => item.fixed === undefined);
    free.forEach((item, at) => (item.at = at));
    checkDesignRules(protocol, items, free);
    const parts = partsOf(protocol, items, free);
    const labels = (design.labels ?? []).map((label) => label.name);
    if (design.kind === "rollout") labels.push("waiting");
    const accepts = design.constraint && trialkit.constraintOf(protocol, free, labels.length);
    const total = method === "rank" ? rankTotal(parts) : 0n;
    return { protocol, items, free, parts, labels, accepts, total };
  }

  /** The counts of a part in one attempt: the leftover, if any, is drawn anew each time. */
  function countsOf(part, seed, attempt) {
    if (!part.leftover) return part.counts;
    const u = new Stream(seed, ["leftover", part.kind, part.name, attempt]).below(part.total);
    let before = 0;
    return part.counts.map((base, j) => {
      const gap = (((u - before) % part.total) + part.total) % part.total;
      before += part.rest[j];
      return gap < part.rest[j] ? base + 1 : base;
    });
  }

  Object.assign(trialkit, { planOf, countsOf });
})((globalThis.trialkit ??= {}));

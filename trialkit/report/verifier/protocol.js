"use strict";
/* What a protocol may contain: specification, section 4 (steps 6, 7 and 8 of section 10). */
(function (trialkit) {
  const { Failure, hasMembers, isHex, textFault, skeleton, byteOrder } = trialkit;

  const MILLION = 1_000_000;
  const DRAW_ID = /^[a-z0-9][a-z0-9._-]{0,63}$/;
  const DECIMAL = /^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?$/;

  // Per kind: members besides `kind`, what a label carries, and what a unit carries besides `id`.
  const DESIGNS = {
    complete: { members: ["level", "labels"], label: "weight", constraint: true, fixed: true },
    blocked: { members: ["level", "labels"], label: "weight", constraint: true, fixed: true, block: true },
    matched: { members: ["level", "labels"], label: "weight", constraint: true, block: true },
    stepped_wedge: { members: ["level", "labels"], label: "places", constraint: true, fixed: true },
    rollout: { members: ["level", "labels"], label: "places", fixed: true, fewestLabels: 1 },
    blocked_wedge: { members: ["level", "labels", "quotas"], label: "", constraint: true, fixed: true, block: true },
    lottery: { members: ["level", "places"], tier: true },
    sequential: { members: ["labels", "strata", "blocks", "length"], label: "weight" },
  };

  /** E_SCHEMA unless `good`; `path` says where. */
  function need(good, path) {
    if (!good) throw new Failure("E_SCHEMA", { path });
  }

  const within = (value, low, high) => Number.isSafeInteger(value) && value >= low && value <= high;
  const isString = (value) => typeof value === "string";

  function needList(value, fewest, most, path) {
    need(Array.isArray(value) && value.length >= fewest && value.length <= most, path);
  }

  function needEach(value, fewest, most, path, good) {
    needList(value, fewest, most, path);
    value.forEach((entry, i) => need(good(entry), `${path}[${i}]`));
  }

  const isDecimal = (value) => isString(value) && DECIMAL.test(value);
  const isUnsignedDecimal = (value) => isDecimal(value) && !value.startsWith("-");

  const needLabel = {
    weight: (label) =>
      hasMembers(label, ["name", "weight"]) && isString(label.name) && within(label.weight, 1, MILLION),
    places: (label) =>
      hasMembers(label, ["name", "places"]) && isString(label.name) && within(label.places, 0, MILLION),
    "": (label) => hasMembers(label, ["name"]) && isString(label.name),
  };

  function isQuota(quota) {
    if (!hasMembers(quota, ["block", "places"]) || !isString(quota.block) || !Array.isArray(quota.places)) return false;
    const { places } = quota;
    return places.length >= 1 && places.length <= 1000 && places.every((count) => within(count, 0, MILLION));
  }

  const CONSTRAINTS = {
    mahalanobis(rule, path) {
      need(hasMembers(rule, ["kind", "covariates", "threshold", "max_attempts"]), path);
      need(isUnsignedDecimal(rule.threshold), `${path}.threshold`);
    },
    tolerance(rule, path) {
      need(hasMembers(rule, ["kind", "covariates", "tolerances", "max_attempts"]), path);
      needEach(rule.tolerances, 1, 50, `${path}.tolerances`, isUnsignedDecimal);
    },
  };

  function checkConstraint(rule, path) {
    need(trialkit.isObject(rule) && isString(rule.kind) && Object.hasOwn(CONSTRAINTS, rule.kind), path);
    CONSTRAINTS[rule.kind](rule, path);
    needEach(rule.covariates, 1, 50, `${path}.covariates`, isString);
    need(within(rule.max_attempts, 1, MILLION), `${path}.max_attempts`);
  }

  function checkSequential(design) {
    needEach(design.strata, 1, 1000, "design.strata", isString);
    needEach(design.blocks, 1, 16, "design.blocks", (size) => within(size, 1, 10_000));
    need(within(design.length, 1, MILLION), "design.length");
  }

  function checkDesignMembers(design) {
    need(trialkit.isObject(design) && isString(design.kind) && Object.hasOwn(DESIGNS, design.kind), "design.kind");
    const form = DESIGNS[design.kind];
    need(hasMembers(design, ["kind", ...form.members], form.constraint ? ["constraint"] : []), "design");
    if (form.members.includes("level")) need(["unit", "cluster"].includes(design.level), "design.level");
    if (form.members.includes("labels")) {
      needEach(design.labels, form.fewestLabels ?? 2, 1000, "design.labels", needLabel[form.label]);
    }
    if (design.kind === "blocked_wedge") needEach(design.quotas, 1, MILLION, "design.quotas", isQuota);
    if (design.kind === "lottery") need(within(design.places, 0, MILLION), "design.places");
    if (design.kind === "sequential") checkSequential(design);
    if (Object.hasOwn(design, "constraint")) checkConstraint(design.constraint, "design.constraint");
    return form;
  }

  /** The exact members of a unit under this design. */
  function unitMembers(design, form) {
    const required = ["id"];
    if (form.block) required.push("block");
    if (design.level === "cluster") required.push("cluster");
    if (form.tier) required.push("tier");
    if (Object.hasOwn(design, "constraint")) required.push("x");
    return [required, form.fixed ? ["fixed"] : []];
  }

  function isUnit(unit, required, optional) {
    if (!hasMembers(unit, required, optional)) return false;
    const named = ["id", "block", "cluster", "fixed"].every((key) => !Object.hasOwn(unit, key) || isString(unit[key]));
    const tiered = !Object.hasOwn(unit, "tier") || within(unit.tier, 1, 1000);
    return named && tiered && (!Object.hasOwn(unit, "x") || isCovariates(unit.x));
  }

  const isCovariates = (x) => Array.isArray(x) && x.length >= 1 && x.length <= 50 && x.every(isDecimal);

  const isWitness = (witness) =>
    hasMembers(witness, ["name", "public_key"]) && isString(witness.name) && isHex(witness.public_key, 64);

  const REQUIRED = [
    "format",
    "kind",
    "draw_id",
    "title",
    "method",
    "design",
    "units",
    "entropy",
    "witnesses",
    "quorum",
  ];

  /** Step 6: members, types and ranges, all E_SCHEMA. */
  function checkSchema(protocol) {
    need(hasMembers(protocol, REQUIRED, ["plan_hash"]), "protocol");
    need(isString(protocol.draw_id) && DRAW_ID.test(protocol.draw_id), "draw_id");
    need(isString(protocol.title), "title");
    need(["shuffle", "rank"].includes(protocol.method), "method");
    const form = checkDesignMembers(protocol.design);
    const [required, optional] = unitMembers(protocol.design, form);
    const mostUnits = protocol.design.kind === "sequential" ? 0 : MILLION;
    needEach(protocol.units, Math.min(1, mostUnits), mostUnits, "units", (unit) => isUnit(unit, required, optional));
    needEach(protocol.entropy, 1, 16, "entropy", trialkit.isSource);
    needEach(protocol.witnesses, 0, 100, "witnesses", isWitness);
    need(within(protocol.quorum, 0, protocol.witnesses.length), "quorum");
    if (Object.hasOwn(protocol, "plan_hash")) need(isHex(protocol.plan_hash, 64), "plan_hash");
  }

  /** Call `visit(text, path)` for every text value of the protocol, in the order of section 3. */
  function eachText(protocol, visit) {
    const { design } = protocol;
    visit(protocol.title, "title");
    protocol.units.forEach((unit, i) => {
      for (const key of ["id", "block", "cluster", "fixed"])
        if (Object.hasOwn(unit, key)) visit(unit[key], `units[${i}].${key}`);
    });
    (design.quotas ?? []).forEach((quota, i) => visit(quota.block, `design.quotas[${i}].block`));
    (design.labels ?? []).forEach((label, i) => visit(label.name, `design.labels[${i}].name`));
    (design.strata ?? []).forEach((stratum, i) => visit(stratum, `design.strata[${i}]`));
    (design.constraint?.covariates ?? []).forEach((name, i) => visit(name, `design.constraint.covariates[${i}]`));
    protocol.entropy.forEach((source, i) => {
      if (source.kind === "commit") visit(source.party, `entropy[${i}].party`);
      if (source.kind === "published") visit(source.value, `entropy[${i}].value`);
    });
    protocol.witnesses.forEach((witness, i) => visit(witness.name, `witnesses[${i}].name`));
  }

  /** Step 7: every text is one (E_TEXT). */
  function checkTexts(protocol) {
    eachText(protocol, (text, path) => {
      const why = textFault(text);
      if (why) throw new Failure("E_TEXT", { path, found: text, why });
    });
  }

  function distinct(names, what) {
    const seen = new Set();
    for (const name of names) {
      if (seen.has(name)) throw new Failure("E_DUPLICATE", { set: what, found: name });
      seen.add(name);
    }
  }

  function unlike(names, what) {
    const seen = new Map();
    for (const name of names) {
      const bones = skeleton(name);
      if (seen.has(bones)) throw new Failure("E_LOOKALIKE", { set: what, found: name, other: seen.get(bones) });
      seen.set(bones, name);
    }
  }

  function toldApart(names, what) {
    distinct(names, what);
    unlike(names, what);
  }

  function checkOrder(units) {
    for (let i = 1; i < units.length; i++) {
      if (byteOrder(units[i - 1].id, units[i].id) >= 0) {
        throw new Failure("E_ORDER", { number: i + 1, found: units[i].id, other: units[i - 1].id });
      }
    }
  }

  const distinctValues = (units, key) =>
    new Set(units.filter((unit) => Object.hasOwn(unit, key)).map((unit) => unit[key]));

  /** Step 8: names that could be mistaken for each other, and the order of the units, in the order of section 3. */
  function checkNames({ units, design, entropy, witnesses }) {
    toldApart(
      units.map((unit) => unit.id),
      "units",
    );
    checkOrder(units);
    unlike(distinctValues(units, "block"), "blocks");
    unlike(distinctValues(units, "cluster"), "clusters");
    toldApart(
      (design.labels ?? []).map((label) => label.name),
      "labels",
    );
    toldApart(design.strata ?? [], "strata");
    toldApart(design.constraint?.covariates ?? [], "covariates");
    toldApart(
      entropy.filter((source) => source.kind === "commit").map((source) => source.party),
      "parties",
    );
    toldApart(
      witnesses.map((witness) => witness.name),
      "witnesses",
    );
    distinct(
      witnesses.map((witness) => witness.public_key),
      "keys",
    );
  }

  Object.assign(trialkit, { within, checkSchema, checkTexts, checkNames });
})((globalThis.trialkit ??= {}));

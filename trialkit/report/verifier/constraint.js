"use strict";
/* Which allocations are balanced enough, in whole numbers only: specification, section 7. */
(function (trialkit) {
  const { Failure } = trialkit;
  const SCALE = 1_000_000_000n;

  /** d x 10^9, exactly. */
  function scaled(decimal) {
    const [whole, fraction = ""] = decimal.replace("-", "").split(".");
    const value = BigInt(whole) * SCALE + BigInt(fraction.padEnd(9, "0"));
    return decimal.startsWith("-") ? -value : value;
  }

  function checkLengths({ design, units }) {
    const { covariates, tolerances } = design.constraint;
    const q = covariates.length;
    const short = units.find((unit) => unit.x.length !== q);
    if (short) throw new Failure("E_COVARIATES", { why: "length", unit: short.id, found: short.x.length, expected: q });
    if (tolerances && tolerances.length !== q) {
      throw new Failure("E_COVARIATES", { why: "tolerances", found: tolerances.length, expected: q });
    }
  }

  /** x of each free item: the exact sum over its members. */
  function vectors(units, free, q) {
    return free.map((item) => {
      const x = new Array(q).fill(0n);
      for (const at of item.members) for (let v = 0; v < q; v++) x[v] += scaled(units[at].x[v]);
      return x;
    });
  }

  const magnitude = (value) => (value < 0n ? -value : value);

  /** {s, n} per label that has items: the sum of x and the number of items. */
  function groupsOf(x, codes, nLabels, q) {
    const counts = new Array(nLabels).fill(0);
    const sums = Array.from({ length: nLabels }, () => new Array(q).fill(0n));
    for (let i = 0; i < x.length; i++) {
      counts[codes[i]] += 1;
      const sum = sums[codes[i]];
      for (let v = 0; v < q; v++) sum[v] += x[i][v];
    }
    return sums.map((s, j) => ({ s, n: BigInt(counts[j]) })).filter(({ n }) => n > 0n);
  }

  function withinTolerances(groups, tolerances) {
    for (let a = 0; a < groups.length; a++) {
      for (let b = a + 1; b < groups.length; b++) {
        const { s: sa, n: na } = groups[a];
        const { s: sb, n: nb } = groups[b];
        const room = na * nb;
        for (let v = 0; v < tolerances.length; v++) {
          if (magnitude(sa[v] * nb - sb[v] * na) > tolerances[v] * room) return false;
        }
      }
    }
    return true;
  }

  /** t = sum of x_i, and A = n sum x_i x_i' - t t'. */
  function moments(x, q) {
    const n = BigInt(x.length);
    const t = new Array(q).fill(0n);
    const squares = Array.from({ length: q }, () => new Array(q).fill(0n));
    for (const row of x) {
      for (let u = 0; u < q; u++) {
        t[u] += row[u];
        for (let v = u; v < q; v++) squares[u][v] += row[u] * row[v];
      }
    }
    const A = t.map((tu, u) => t.map((tv, v) => n * squares[Math.min(u, v)][Math.max(u, v)] - tu * tv));
    return { t, A };
  }

  /**
   * Determinant and adjugate by fraction-free Gauss-Jordan elimination of [A | I] (Bareiss 1968): every division is
   * exact. A is a matrix of scatter, so a leading minor of 0 already means determinant 0 and no row exchange is needed.
   */
  function determinantAndAdjugate(A) {
    const q = A.length;
    const M = A.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1n : 0n))]);
    let previous = 1n;
    for (let k = 0; k < q; k++) {
      const pivot = M[k][k];
      if (pivot === 0n) return { D: 0n, adjugate: [] };
      for (let i = 0; i < q; i++) {
        if (i === k) continue;
        const factor = M[i][k];
        for (let j = 0; j < 2 * q; j++) M[i][j] = (pivot * M[i][j] - factor * M[k][j]) / previous;
      }
      previous = pivot;
    }
    return { D: previous, adjugate: M.map((row) => row.slice(q)) };
  }

  function quadratic(v, matrix) {
    let sum = 0n;
    for (let a = 0; a < v.length; a++) for (let b = 0; b < v.length; b++) sum += v[a] * matrix[a][b] * v[b];
    return sum;
  }

  function mahalanobis(x, q, threshold) {
    const n = BigInt(x.length);
    const { t, A } = moments(x, q);
    const { D, adjugate } = determinantAndAdjugate(A);
    if (D <= 0n) throw new Failure("E_COVARIATES", { why: "singular" });
    return (groups) => {
      const P = groups.reduce((product, group) => product * group.n, 1n);
      let sum = 0n;
      for (const group of groups) {
        const v = group.s.map((s, k) => n * s - group.n * t[k]);
        sum += quadratic(v, adjugate) * (P / group.n);
      }
      return (n - 1n) * SCALE * sum <= threshold * n * D * P;
    };
  }

  /** A function that says whether label codes (one per free item) meet the constraint. Throws E_COVARIATES. */
  function constraintOf(protocol, free, nLabels) {
    checkLengths(protocol);
    const { constraint } = protocol.design;
    const q = constraint.covariates.length;
    const x = vectors(protocol.units, free, q);
    let meets;
    if (constraint.kind === "tolerance") {
      const tolerances = constraint.tolerances.map(scaled);
      meets = (groups) => withinTolerances(groups, tolerances);
    } else {
      meets = mahalanobis(x, q, scaled(constraint.threshold));
    }
    return (codes) => meets(groupsOf(x, codes, nLabels, q));
  }

  Object.assign(trialkit, { constraintOf });
})((globalThis.trialkit ??= {}));

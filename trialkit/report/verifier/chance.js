"use strict";
/* Seed, stream, uniform whole numbers, shuffle, unrank: specification, sections 5 and 6.3. */
(function (trialkit) {
  const { FORMAT, jcs, sha256, utf8 } = trialkit;

  /** The text whose SHA-256 is the seed. `values` is one array per source. */
  const seedText = (protocolHash, values) => jcs([FORMAT, "seed", protocolHash, values]);

  /** The text whose SHA-256 is block i of the stream with this label. */
  const blockText = (seed, label, i) => jcs([FORMAT, "stream", seed, label, i]);

  /** S(label): bytes used once, in order. `label` is [purpose, part kind, part name, attempt]. */
  class Stream {
    constructor(seed, label) {
      this.head = blockText(seed, label, 0).slice(0, -2); // up to and with the comma before i
      this.next = 0;
      this.block = new Uint8Array(0);
      this.at = 0;
    }

    byte() {
      if (this.at === this.block.length) {
        this.block = sha256(utf8(`${this.head}${this.next++}]`));
        this.at = 0;
      }
      return this.block[this.at++];
    }

    /** uniform(m) for a number 1 <= m <= 2^32. */
    below(m) {
      if (m === 1) return 0;
      const bits = 32 - Math.clz32(m - 1);
      const mask = bits === 32 ? 0xffffffff : 2 ** bits - 1;
      for (;;) {
        let value = 0;
        for (let read = 0; read < bits; read += 8) value = (value << 8) | this.byte();
        value = (value & mask) >>> 0;
        if (value < m) return value;
      }
    }

    /** uniform(m) for a BigInt m >= 1 of any size. */
    belowBig(m) {
      if (m === 1n) return 0n;
      const bits = (m - 1n).toString(2).length;
      for (;;) {
        let value = 0n;
        for (let read = 0; read < bits; read += 8) value = (value << 8n) | BigInt(this.byte());
        value = BigInt.asUintN(bits, value);
        if (value < m) return value;
      }
    }
  }

  /** A shuffled copy of `items`. */
  function shuffle(items, stream) {
    const order = items.slice();
    for (let i = order.length - 1; i > 0; i--) {
      const j = stream.below(i + 1);
      const moved = order[i];
      order[i] = order[j];
      order[j] = moved;
    }
    return order;
  }

  /**
   * N = m!/prod(c_j!), as a product of binomial coefficients, or `limit + 1n` as soon as it is known to be above
   * `limit`: a million units would otherwise give a number of millions of digits that nobody uses.
   */
  function arrangements(counts, limit) {
    let total = 1n;
    let placed = 0;
    for (const count of counts) {
      placed += count;
      const few = Math.min(count, placed - count);
      const before = total;
      let choose = 1n;
      for (let i = 1; i <= few; i++) {
        choose = (choose * BigInt(placed - few + i)) / BigInt(i);
        if (before * choose > limit) return limit + 1n;
      }
      total = before * choose;
    }
    return total;
  }

  /** The arrangement with number r (BigInt) among `total` ones: a label index per item in canonical order. */
  function unrank(counts, r, total) {
    const left = counts.slice();
    let m = left.reduce((sum, count) => sum + count, 0);
    const arrangement = [];
    let T = total;
    for (; m > 0; m--) {
      for (let j = 0; ; j++) {
        if (left[j] === 0) continue;
        const t = (T * BigInt(left[j])) / BigInt(m);
        if (r < t) {
          arrangement.push(j);
          left[j] -= 1;
          T = t;
          break;
        }
        r -= t;
      }
    }
    return arrangement;
  }

  Object.assign(trialkit, { seedText, blockText, Stream, shuffle, arrangements, unrank });
})((globalThis.trialkit ??= {}));

"use strict";
/*
 * SHA-256 and SHA-512 (FIPS 180-4), synchronous: crypto.subtle is asynchronous, and missing where a page is not a
 * secure context. The round constants are computed from their definition (square and cube roots of the first primes,
 * in whole numbers), so no table can be mistyped.
 */
(function (trialkit) {
  const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
  const encoder = new TextEncoder();

  const utf8 = (text) => encoder.encode(text);

  function hex(bytes) {
    let text = "";
    for (let i = 0; i < bytes.length; i++) text += HEX[bytes[i]];
    return text;
  }

  function unhex(text) {
    const bytes = new Uint8Array(text.length / 2);
    for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
    return bytes;
  }

  function firstPrimes(count) {
    const primes = [];
    for (let n = 2; primes.length < count; n++) if (primes.every((p) => n % p)) primes.push(n);
    return primes;
  }

  /** The first 64 bits after the point of the degree-th root of n: floor(n^(1/degree) * 2^64) mod 2^64. */
  function rootBits(n, degree) {
    const power = BigInt(degree);
    const target = BigInt(n) << (64n * power);
    let low = 0n;
    let high = 1n << 70n;
    while (high - low > 1n) {
      const middle = (low + high) >> 1n;
      if (middle ** power <= target) low = middle;
      else high = middle;
    }
    return BigInt.asUintN(64, low);
  }

  const START_64 = firstPrimes(8).map((p) => rootBits(p, 2));
  const ROUND_64 = firstPrimes(80).map((p) => rootBits(p, 3));
  const upperHalf = (word) => Number(word >> 32n) | 0;
  const START_32 = Int32Array.from(START_64, upperHalf);
  const ROUND_32 = Int32Array.from(ROUND_64.slice(0, 64), upperHalf);

  /** The message, 0x80, zeros, and its length in bits at the very end of the last block. */
  function padded(bytes, block, lengthField) {
    const size = Math.ceil((bytes.length + 1 + lengthField) / block) * block;
    const whole = new Uint8Array(size);
    whole.set(bytes);
    whole[bytes.length] = 0x80;
    const view = new DataView(whole.buffer);
    view.setUint32(size - 8, Math.floor(bytes.length / 0x20000000));
    view.setUint32(size - 4, (bytes.length << 3) >>> 0);
    return whole;
  }

  const schedule = new Int32Array(64);

  function fillSchedule(whole, offset) {
    const w = schedule;
    for (let t = 0, i = offset; t < 16; t++, i += 4) {
      w[t] = (whole[i] << 24) | (whole[i + 1] << 16) | (whole[i + 2] << 8) | whole[i + 3];
    }
    for (let t = 16; t < 64; t++) {
      const x = w[t - 15];
      const y = w[t - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[t] = (w[t - 16] + s0 + w[t - 7] + s1) | 0;
    }
  }

  function compress32(state, whole, offset) {
    fillSchedule(whole, offset);
    let a = state[0], b = state[1], c = state[2], d = state[3];
    let e = state[4], f = state[5], g = state[6], h = state[7];
    for (let t = 0; t < 64; t++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUND_32[t] + schedule[t]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + t1) | 0;
      d = c; c = b; b = a; a = (t1 + t2) | 0;
    }
    state[0] += a; state[1] += b; state[2] += c; state[3] += d;
    state[4] += e; state[5] += f; state[6] += g; state[7] += h;
  }

  /** SHA-256 of a Uint8Array, as 32 bytes. */
  function sha256(bytes) {
    const state = Int32Array.from(START_32);
    const whole = padded(bytes, 64, 8);
    for (let offset = 0; offset < whole.length; offset += 64) compress32(state, whole, offset);
    const out = new Uint8Array(32);
    const view = new DataView(out.buffer);
    for (let i = 0; i < 8; i++) view.setInt32(4 * i, state[i]);
    return out;
  }

  const wrap = (word) => BigInt.asUintN(64, word);
  const turn = (word, n) => wrap((word >> n) | (word << (64n - n)));

  function schedule64(view, offset) {
    const w = [];
    for (let t = 0; t < 16; t++) w.push(view.getBigUint64(offset + 8 * t));
    for (let t = 16; t < 80; t++) {
      const s0 = turn(w[t - 15], 1n) ^ turn(w[t - 15], 8n) ^ (w[t - 15] >> 7n);
      const s1 = turn(w[t - 2], 19n) ^ turn(w[t - 2], 61n) ^ (w[t - 2] >> 6n);
      w.push(wrap(w[t - 16] + s0 + w[t - 7] + s1));
    }
    return w;
  }

  function compress64(state, w) {
    let [a, b, c, d, e, f, g, h] = state;
    for (let t = 0; t < 80; t++) {
      const s1 = turn(e, 14n) ^ turn(e, 18n) ^ turn(e, 41n);
      const t1 = wrap(h + s1 + ((e & f) ^ (wrap(~e) & g)) + ROUND_64[t] + w[t]);
      const s0 = turn(a, 28n) ^ turn(a, 34n) ^ turn(a, 39n);
      const t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
      [h, g, f, e, d, c, b, a] = [g, f, e, wrap(d + t1), c, b, a, wrap(t1 + t2)];
    }
    return [a, b, c, d, e, f, g, h].map((word, i) => wrap(word + state[i]));
  }

  /** SHA-512 of a Uint8Array, as 64 bytes. Only witness signatures need it, so it may be slow. */
  function sha512(bytes) {
    const view = new DataView(padded(bytes, 128, 16).buffer);
    let state = START_64;
    for (let offset = 0; offset < view.byteLength; offset += 128) state = compress64(state, schedule64(view, offset));
    const out = new Uint8Array(64);
    state.forEach((word, i) => new DataView(out.buffer).setBigUint64(8 * i, word));
    return out;
  }

  Object.assign(trialkit, { utf8, hex, unhex, sha256, sha512 });
})((globalThis.trialkit ??= {}));

"use strict";
/*
 * Ed25519 verification as RFC 8032, cofactorless and strict: specification, section 9. Points are in extended
 * homogeneous coordinates (X, Y, Z, T), x = X/Z, y = Y/Z, xy = T/Z, with the complete addition law of section 5.1.4.
 * Nothing here is secret, so nothing is constant-time.
 */
(function (trialkit) {
  const { hex, sha512, unhex } = trialkit;

  const p = 2n ** 255n - 19n;
  const L = 2n ** 252n + 27742317777372353535851937790883648493n;

  const mod = (a) => {
    const r = a % p;
    return r < 0n ? r + p : r;
  };

  function power(base, exponent) {
    let result = 1n;
    for (let b = mod(base), e = exponent; e > 0n; e >>= 1n, b = (b * b) % p) if (e & 1n) result = (result * b) % p;
    return result;
  }

  const d = mod(-121665n * power(121666n, p - 2n));
  const d2 = (2n * d) % p;
  const ROOT_OF_MINUS_ONE = power(2n, (p - 1n) / 4n);
  const NEUTRAL = [0n, 1n, 1n, 0n];

  function add([X1, Y1, Z1, T1], [X2, Y2, Z2, T2]) {
    const A = mod((Y1 - X1) * (Y2 - X2));
    const B = mod((Y1 + X1) * (Y2 + X2));
    const C = mod(T1 * d2 * T2);
    const D = mod(2n * Z1 * Z2);
    const [E, F, G, H] = [B - A, D - C, D + C, B + A];
    return [mod(E * F), mod(G * H), mod(F * G), mod(E * H)];
  }

  const equal = ([X1, Y1, Z1], [X2, Y2, Z2]) => mod(X1 * Z2 - X2 * Z1) === 0n && mod(Y1 * Z2 - Y2 * Z1) === 0n;
  const negative = ([X, Y, Z, T]) => [mod(-X), Y, Z, mod(-T)];

  /** a*P + b*Q, bit by bit from the top (Straus). */
  function combination(a, P, b, Q) {
    const both = add(P, Q);
    let sum = NEUTRAL;
    for (let bit = 255n; bit >= 0n; bit--) {
      sum = add(sum, sum);
      const useP = (a >> bit) & 1n;
      const useQ = (b >> bit) & 1n;
      if (useP || useQ) sum = add(sum, useP && useQ ? both : useP ? P : Q);
    }
    return sum;
  }

  const littleEndian = (bytes) => BigInt("0x" + hex(Uint8Array.from(bytes).reverse()));

  /** A square root of u/v modulo p, or undefined (RFC 8032, section 5.1.3). */
  function rootOfRatio(u, v) {
    const x = mod(u * power(v, 3n) * power(u * power(v, 7n), (p - 5n) / 8n));
    const square = mod(v * x * x);
    if (square === mod(u)) return x;
    return square === mod(-u) ? mod(x * ROOT_OF_MINUS_ONE) : undefined;
  }

  /** The point of a canonical encoding, or undefined. */
  function decodedPoint(bytes) {
    const sign = bytes[31] >> 7;
    const y = BigInt.asUintN(255, littleEndian(bytes));
    if (y >= p) return undefined;
    const x = rootOfRatio(y * y - 1n, mod(d * y * y + 1n));
    if (x === undefined || (x === 0n && sign === 1)) return undefined;
    const signed = Number(x & 1n) === sign ? x : mod(-x);
    return [signed, y, 1n, mod(signed * y)];
  }

  const BASE = decodedPoint(unhex("58" + "66".repeat(31)));

  const ofSmallOrder = (point) => equal(combination(8n, point, 0n, point), NEUTRAL);

  /** True if `signature` (128 hex) by `publicKey` (64 hex) over `message` (bytes) is valid. */
  function ed25519Valid(publicKey, message, signature) {
    const keyBytes = unhex(publicKey);
    const bytes = unhex(signature);
    const A = decodedPoint(keyBytes);
    const R = decodedPoint(bytes.subarray(0, 32));
    const S = littleEndian(bytes.subarray(32));
    if (!A || !R || S >= L || ofSmallOrder(A)) return false;
    const hashed = new Uint8Array(64 + message.length);
    hashed.set(bytes.subarray(0, 32));
    hashed.set(keyBytes, 32);
    hashed.set(message, 64);
    const k = littleEndian(sha512(hashed)) % L;
    return equal(combination(S, BASE, k, negative(A)), R); // S*B = R + k*A
  }

  Object.assign(trialkit, { ed25519Valid });
})((globalThis.trialkit ??= {}));

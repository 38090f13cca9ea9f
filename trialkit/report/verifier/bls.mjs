/*
 * drand signatures: specification, section 8. Bundled into the full page; the core page works without it.
 * Decoding is spelled out here although noble checks the same: a second accepted byte string is a second seed.
 */
import { bls12_381 } from "@noble/curves/bls12-381.js";

const KEY =
  "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c" +
  "8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb" +
  "5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a";
const DST = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";

const G1 = bls12_381.G1.Point;
const G2 = bls12_381.G2.Point;
const publicKey = G2.fromHex(KEY);
publicKey.assertValidity();

/** The point of 48 bytes (96 hex), or undefined unless they are its one canonical form, in the subgroup, not infinity. */
function decoded(signature) {
  try {
    const point = G1.fromHex(signature);
    point.assertValidity();
    const strict = !point.is0() && point.isTorsionFree() && point.toHex(true) === signature;
    return strict ? point : undefined;
  } catch {
    return undefined;
  }
}

/** True iff e(signature, g2) = e(H, pk) for this quicknet round. */
function quicknetValid(signature, round) {
  const point = decoded(signature);
  if (!point) return false;
  const message = bls12_381.G1.hashToCurve(globalThis.trialkit.roundMessage(round), { DST });
  const product = bls12_381.pairingBatch([
    { g1: point, g2: G2.BASE },
    { g1: message.negate(), g2: publicKey },
  ]);
  return bls12_381.fields.Fp12.eql(product, bls12_381.fields.Fp12.ONE);
}

(globalThis.trialkit ??= {}).bls = quicknetValid;

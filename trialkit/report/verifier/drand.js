"use strict";
/*
 * When a round appears, and what its signature is over: specification, sections 4.3 and 8. The pairing itself is in
 * bls.mjs, which only the full page carries; without it `trialkit.bls` is undefined and drand stays unverified.
 */
(function (trialkit) {
  const { hex, sha256, unhex, utf8 } = trialkit;

  const GENESIS = 1692803367;
  const PERIOD = 3;

  /** Unix seconds as YYYY-MM-DDThh:mm:ssZ. */
  const instant = (seconds) => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");

  const roundTime = (round) => instant(GENESIS + PERIOD * (round - 1));

  function bigEndian(value, length) {
    const bytes = new Uint8Array(length);
    for (let i = length - 1, rest = value; i >= 0; i--, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
    return bytes;
  }

  /** m = SHA-256(round as 8 bytes big-endian). */
  const roundMessage = (round) => sha256(bigEndian(round, 8));

  /** The chain hash of a drand chain description: the key is then not a matter of trust. */
  function chainHash({ period, genesis_time: genesis, public_key: key, group_hash: group, beacon_id: name }) {
    const parts = [bigEndian(period, 4), bigEndian(genesis, 8), unhex(key), unhex(group), utf8(name)];
    return hex(sha256(Uint8Array.from(parts.flatMap((part) => [...part]))));
  }

  Object.assign(trialkit, { roundTime, roundMessage, chainHash });
})((globalThis.trialkit ??= {}));

"use strict";
/* The one byte form and the one hash: specification, section 2. Also the failure every step throws. */
(function (trialkit) {
  const { hex, sha256, utf8 } = trialkit;
  const FORMAT = "trialkit-draw/1";
  const DEEPEST = 16;
  const KEY = /^[a-z0-9_]+$/;
  const LONE_SURROGATE = /\p{Cs}/u;
  const LF = 0x0a;
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  /** What is wrong, by the specification's name; `facts` say where, in values a page can print. */
  class Failure extends Error {
    constructor(name, facts = {}) {
      super(name);
      this.name = name;
      this.facts = facts;
      this.step = undefined;
    }
  }

  /** Run one numbered step of section 10; a failure inside it carries the number. */
  function atStep(step, work) {
    try {
      return work();
    } catch (error) {
      if (error instanceof Failure && error.step === undefined) error.step = step;
      throw error;
    }
  }

  /** JCS(value): RFC 8785 for the values section 2 allows. Throws E_JSON for any other value. */
  function jcs(value, depth = 1) {
    if (typeof value === "string") return quoted(value);
    if (typeof value === "boolean") return String(value);
    if (typeof value === "number") return integer(value);
    if (typeof value !== "object" || value === null)
      throw new Failure("E_JSON", { why: "value", found: String(value) });
    if (depth > DEEPEST) throw new Failure("E_JSON", { why: "depth" });
    return Array.isArray(value) ? arrayText(value, depth) : objectText(value, depth);
  }

  function quoted(text) {
    if (LONE_SURROGATE.test(text)) throw new Failure("E_JSON", { why: "surrogate" });
    return JSON.stringify(text); // ECMAScript's escapes are exactly those of RFC 8785
  }

  function integer(number) {
    if (!Number.isSafeInteger(number)) throw new Failure("E_JSON", { why: "number", found: String(number) });
    return String(number);
  }

  function arrayText(list, depth) {
    const parts = new Array(list.length);
    for (let i = 0; i < list.length; i++) parts[i] = jcs(list[i], depth + 1);
    return "[" + parts.join(",") + "]";
  }

  function objectText(object, depth) {
    const parts = [];
    for (const key of Object.keys(object).sort()) {
      if (!KEY.test(key)) throw new Failure("E_JSON", { why: "key", found: key });
      parts.push('"' + key + '":' + jcs(object[key], depth + 1));
    }
    return "{" + parts.join(",") + "}";
  }

  const hashText = (text) => hex(sha256(utf8(text)));
  const hash = (value) => hashText(jcs(value));

  function decoded(bytes) {
    try {
      return decoder.decode(bytes);
    } catch {
      throw new Failure("E_JSON", { why: "utf8" });
    }
  }

  function parsed(text) {
    try {
      return JSON.parse(text);
    } catch {
      throw new Failure("E_JSON", { why: "syntax" });
    }
  }

  /**
   * The value of a canonical document (Uint8Array). One final LF may follow.
   * Comparing with the value written again refuses duplicate keys, 1.0, -0, escapes and pretty printing at once.
   */
  function parseCanonical(bytes) {
    const body = bytes.length && bytes[bytes.length - 1] === LF ? bytes.subarray(0, bytes.length - 1) : bytes;
    const text = decoded(body);
    const value = parsed(text);
    if (jcs(value) !== text) throw new Failure("E_JSON", { why: "form" });
    return value;
  }

  const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
  const isHex = (value, digits) => typeof value === "string" && value.length === digits && /^[0-9a-f]*$/.test(value);

  /** True if `object` has all `required` members, and no others but `optional` ones. */
  function hasMembers(object, required, optional = []) {
    if (!isObject(object) || !required.every((key) => Object.hasOwn(object, key))) return false;
    return Object.keys(object).every((key) => required.includes(key) || optional.includes(key));
  }

  Object.assign(trialkit, {
    FORMAT,
    Failure,
    atStep,
    jcs,
    hash,
    hashText,
    parseCanonical,
    isObject,
    isHex,
    hasMembers,
  });
})((globalThis.trialkit ??= {}));

"use strict";
/* Which texts may be published, how two are told apart, and in which order they stand: specification, section 3. */
(function (trialkit) {
  const { utf8 } = trialkit;
  const LONGEST = 200; // bytes of UTF-8

  // General category C* or Z*, but for the space.
  const FORBIDDEN = /(?! )[\p{C}\p{Z}]/u;
  // The fixed list: Default_Ignorable_Code_Point and U+2800.
  const INVISIBLE = new RegExp(
    "[\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u202A-\\u202E" +
      "\\u2060-\\u206F\\u2800\\u3164\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFF8" +
      "\\u{1BCA0}-\\u{1BCA3}\\u{1D173}-\\u{1D17A}\\u{E0000}-\\u{E0FFF}]",
    "u",
  );
  const PLAIN = /^[!-~]+( [!-~]+)*$/; // most ids; saves the slower questions

  /** Why `text` is no text of section 3, or "" if it is one. */
  function textFault(text) {
    if (typeof text !== "string") return "type";
    if (text.length <= LONGEST && PLAIN.test(text)) return "";
    if (text === "") return "empty";
    if (FORBIDDEN.test(text) || INVISIBLE.test(text)) return "invisible";
    if (text.normalize("NFC") !== text) return "nfc";
    if (utf8(text).length > LONGEST) return "long";
    if (text.startsWith(" ") || text.endsWith(" ") || text.includes("  ")) return "spaces";
    return "";
  }

  const isText = (text) => textFault(text) === "";

  /** lower(NFKC(s)): what two names must not share. */
  const skeleton = (text) => text.normalize("NFKC").toLowerCase();

  // UTF-16 puts surrogates (astral characters) below U+E000-FFFF; this rank puts them above, as UTF-8 bytes do.
  const rank = (unit) => (unit >= 0xe000 ? unit - 0x800 : unit >= 0xd800 ? unit + 0x2000 : unit);

  /** Compare by UTF-8 bytes, which is code-point order: negative, zero or positive. */
  function byteOrder(a, b) {
    const shared = Math.min(a.length, b.length);
    for (let i = 0; i < shared; i++) {
      const x = a.charCodeAt(i);
      const y = b.charCodeAt(i);
      if (x !== y) return rank(x) - rank(y);
    }
    return a.length - b.length;
  }

  const inByteOrder = (texts) => [...texts].sort(byteOrder);

  const SCRIPTS = ["Latin", "Greek", "Cyrillic", "Armenian", "Hebrew", "Arabic", "Cherokee", "Han"].map((script) => [
    script,
    new RegExp(`\\p{Script=${script}}`, "u"),
  ]);

  /** The alphabets found in `text`; more than one deserves a notice (section 1, number 9). */
  const alphabets = (text) => SCRIPTS.filter(([, pattern]) => pattern.test(text)).map(([script]) => script);

  Object.assign(trialkit, { textFault, isText, skeleton, byteOrder, inByteOrder, alphabets });
})((globalThis.trialkit ??= {}));

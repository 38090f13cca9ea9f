"use strict";
/* A record and its ledger together: is the draw confirmed? Specification, end of section 10. */
(function (trialkit) {
  const { verifyLedger, verifyRecord } = trialkit;

  const DOUBTS = ["W_RESEARCH_ONLY", "W_VOIDED"];

  /** The ledger's own judgement of the record, which never asks BLS. */
  const withoutBls = (bytes, trace) => (trace.failure === "E_DRAND_SIGNATURE" ? verifyRecord(bytes) : trace);

  /** Why an OK is not yet a confirmation, as names of this program (R_...) and of the specification (W_...). */
  function doubts(record, ledger, warnings) {
    if (!record) return ["R_NO_RECORD"];
    const { entropy, quorum } = record.record.protocol;
    const reasons = [];
    if (!ledger) reasons.push("R_NO_LEDGER");
    const drand = entropy.some(({ kind }) => kind === "drand");
    if (drand && !record.drandVerified) reasons.push("W_DRAND_UNVERIFIED");
    if (!drand && quorum === 0) reasons.push("W_NO_WITNESS");
    return [...reasons, ...warnings.filter((name) => DOUBTS.includes(name))];
  }

  /**
   * Verify what was given: `record` and `ledger` are Uint8Array or undefined, `head` a hash or "", `bls` or undefined.
   * Returns {verdict: "CONFIRMED" | "NOT_CONFIRMED" | "FAILED", failure, document, step, facts, warnings, reasons,
   * record, ledger}; the last two are the traces.
   */
  function verify({ record: recordBytes, ledger: ledgerBytes, head = "", bls }) {
    const record = recordBytes && verifyRecord(recordBytes, bls);
    const ledger = ledgerBytes && verifyLedger(ledgerBytes, record && withoutBls(recordBytes, record), head);
    const warnings = [...new Set([...(record?.warnings ?? []), ...(ledger?.warnings ?? [])])].sort();
    for (const [document, trace] of [
      ["record", record],
      ["ledger", ledger],
    ]) {
      if (!trace || trace.ok) continue;
      const { failure, step, facts } = trace;
      return { verdict: "FAILED", failure, document, step, facts, warnings: [], reasons: [], record, ledger };
    }
    const reasons = doubts(record, ledger, warnings);
    const verdict = reasons.length ? "NOT_CONFIRMED" : "CONFIRMED";
    return { verdict, failure: "", document: "", step: 0, facts: {}, warnings, reasons, record, ledger };
  }

  Object.assign(trialkit, { verify });
})((globalThis.trialkit ??= {}));

"use strict";
/* Verifying a ledger, with or without its record: specification, sections 9 and 10. */
(function (trialkit) {
  const { FORMAT, Failure, atStep, commitmentOf, ed25519Valid, hash, hasMembers, isHex, isText, jcs, utf8 } = trialkit;
  const { parseCanonical, roundTime, skeleton, traced } = trialkit;

  const LF = 0x0a;
  const NO_HASH = "0".repeat(64);
  const MEMBERS = ["format", "kind", "seq", "prev", "time", "type", "body", "hash"];
  const BODIES = {
    commit: ["draw_id", "protocol_hash", "entropy_time"],
    witness: ["name", "stage", "hash", "head", "time", "signature"],
    open: ["source", "value"],
    void: ["protocol_hash", "reason"],
    draw: ["protocol_hash", "record_hash"],
    assign: ["stratum", "position", "unit", "label"],
    timestamp: ["hash", "token"],
    note: ["text"],
  };

  const TIME = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})Z$/;
  const isLeap = (year) => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;

  /** YYYY-MM-DDThh:mm:ssZ, a real calendar date from year 0001. */
  function isTime(value) {
    const found = typeof value === "string" && TIME.exec(value);
    if (!found) return false;
    const [year, month, day, hour, minute, second] = found.slice(1).map(Number);
    const days = [31, isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
    return year >= 1 && days !== undefined && day >= 1 && day <= days && hour <= 23 && minute <= 59 && second <= 59;
  }

  const at = (entry, name, facts = {}) => new Failure(name, { entry, ...facts });

  // Step 1: lines and forms.

  function linesOf(bytes) {
    if (bytes.length === 0 || bytes[bytes.length - 1] !== LF) throw new Failure("E_LEDGER_FORMAT", { why: "end" });
    const lines = [];
    for (let start = 0; start < bytes.length;) {
      const end = bytes.indexOf(LF, start);
      lines.push(bytes.subarray(start, end));
      start = end + 1;
    }
    return lines;
  }

  function isBody(type, body) {
    if (!Object.hasOwn(BODIES, type) || !hasMembers(body, BODIES[type])) return false;
    const typed = BODIES[type].every((key) =>
      key === "position" ? Number.isSafeInteger(body[key]) && body[key] >= 1 : typeof body[key] === "string",
    );
    return typed && (type !== "commit" || body.entropy_time === "" || isTime(body.entropy_time));
  }

  const isEntry = (entry) =>
    hasMembers(entry, MEMBERS) &&
    entry.format === FORMAT &&
    entry.kind === "entry" &&
    Number.isSafeInteger(entry.seq) &&
    isHex(entry.prev, 64) &&
    isHex(entry.hash, 64) &&
    isTime(entry.time) &&
    typeof entry.type === "string" &&
    isBody(entry.type, entry.body);

  function parsedEntry(line, i) {
    let entry;
    try {
      entry = parseCanonical(line);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      throw at(i, "E_LEDGER_FORMAT", { why: "json" });
    }
    if (!isEntry(entry)) throw at(i, "E_LEDGER_FORMAT", { why: "entry" });
    return entry;
  }

  // Step 2: the chain.

  function checkChain(entries) {
    let before = { hash: NO_HASH, time: "" };
    entries.forEach((entry, i) => {
      const { hash: claimed, ...rest } = entry;
      if (entry.seq !== i) throw at(i, "E_LEDGER_SEQ", { found: entry.seq, expected: i });
      if (entry.prev !== before.hash) throw at(i, "E_LEDGER_CHAIN", { found: entry.prev, expected: before.hash });
      const computed = hash(rest);
      if (computed !== claimed) throw at(i, "E_LEDGER_HASH", { found: claimed, expected: computed });
      if (entry.time < before.time) throw at(i, "E_LEDGER_TIME", { found: entry.time, other: before.time });
      before = entry;
    });
  }

  // Step 4: the replay. `story` is what the ledger has told so far.

  function newStory(entries, record, plan) {
    return {
      record, // or undefined
      result: record?.result,
      sequential: plan?.protocol.design.kind === "sequential",
      index: new Map(entries.map((entry, i) => [entry.hash, i])),
      live: undefined, // the live protocol's hash
      entropyTime: "",
      drawn: undefined, // the record hash of the draw entry
      voided: [], // entropy times of voided commitments
      openings: [], // {source, entry, inTime}
      signatures: [], // {stage, name, head (index), counts, inTime}
      assigned: new Set(),
      positions: new Map(),
      warnings: new Set(),
    };
  }

  const inTime = (story, time) => story.entropyTime !== "" && time < story.entropyTime;
  const mine = (story) => story.record !== undefined && story.record.protocol_hash === story.live;
  const isLive = (story) => story.live !== undefined && story.drawn === undefined;

  const REPLAY = {
    commit(story, { body, time }, i) {
      if (story.live !== undefined || story.drawn !== undefined) throw at(i, "E_REROLL", { why: "second_commit" });
      if (story.record && story.record.protocol.draw_id !== body.draw_id) {
        throw at(i, "E_NOT_COMMITTED", { found: body.draw_id, expected: story.record.protocol.draw_id });
      }
      if (body.entropy_time !== "" && time >= body.entropy_time) {
        throw at(i, "E_COMMIT_TOO_LATE", { found: time, other: body.entropy_time });
      }
      story.live = body.protocol_hash;
      story.entropyTime = body.entropy_time;
    },

    void(story, { body, time }, i) {
      if (story.drawn !== undefined) throw at(i, "E_REROLL", { why: "void_after_draw" });
      if (story.live === undefined || body.protocol_hash !== story.live) throw at(i, "E_NOT_COMMITTED");
      if (!inTime(story, time)) throw at(i, "E_REROLL", { why: "void_late", found: time, other: story.entropyTime });
      if (story.assigned.size) throw at(i, "E_REROLL", { why: "void_assigned" });
      story.voided.push(story.entropyTime);
      story.live = undefined;
      story.entropyTime = "";
      story.openings = [];
      story.signatures = [];
      story.warnings.add("W_VOIDED");
    },

    open(story, { body, time }, i) {
      if (!isLive(story)) throw at(i, "E_NOT_COMMITTED");
      if (mine(story)) checkOpening(story.record, body, i);
      story.openings.push({ source: body.source, entry: i, inTime: inTime(story, time) });
    },

    draw(story, { body, time }, i) {
      if (story.drawn !== undefined) throw at(i, "E_REROLL", { why: "second_draw" });
      if (story.live === undefined || body.protocol_hash !== story.live) throw at(i, "E_NOT_COMMITTED");
      if (inTime(story, time)) throw at(i, "E_LEDGER_TIME", { found: time, other: story.entropyTime });
      story.drawn = body.record_hash;
    },

    assign(story, { body }, i) {
      const next = (story.positions.get(body.stratum) ?? 0) + 1;
      const bones = isText(body.unit) && skeleton(body.unit);
      const good = isLive(story) && body.position === next && bones !== false && !story.assigned.has(bones);
      if (!good || (mine(story) && listed(story, body) !== body.label)) {
        throw at(i, "E_ASSIGN", { found: body.unit, stratum: body.stratum, position: body.position });
      }
      story.positions.set(body.stratum, next);
      story.assigned.add(bones);
    },

    witness(story, { body }, i) {
      const facts = { name: body.name };
      const subject = { commit: story.live, draw: story.drawn }[stageOf(body)];
      const head = story.index.get(body.head);
      const known = subject !== undefined && body.hash === subject && head !== undefined && head < i;
      if (!known || !isTime(body.time) || !isHex(body.signature, 128)) throw at(i, "E_SIGNATURE", facts);
      const early = inTime(story, body.time);
      if (body.stage === "draw" && early) throw at(i, "E_SIGNATURE", facts);
      if (mine(story) && !signed(story.record.protocol, body)) throw at(i, "E_SIGNATURE", facts);
      const counts =
        body.stage === "draw" ||
        ((story.entropyTime === "" || early) && story.voided.every((time) => body.time < time));
      story.signatures.push({ stage: body.stage, name: body.name, head, counts, inTime: early, entry: i });
    },

    timestamp() {},
    note() {},
  };

  const stageOf = ({ stage }) => (["commit", "draw"].includes(stage) ? stage : "unknown");

  function checkOpening({ protocol, evidence }, { source, value }, i) {
    const facts = { source };
    const named = /^(0|[1-9][0-9]?)$/.test(source) ? protocol.entropy[Number(source)] : undefined;
    if (!named || !["commit", "rolls"].includes(named.kind)) throw at(i, "E_EVIDENCE", facts);
    if (named.kind === "commit") {
      const opens = isHex(value, 64) && commitmentOf(protocol.draw_id, named.party, value) === named.commitment;
      if (!opens) throw at(i, "E_COMMITMENT", { ...facts, party: named.party });
    } else if (value !== evidence[Number(source)].values.join(","))
      throw at(i, "E_LATE_OPENING", { ...facts, why: "other" });
  }

  /** The label the sealed list gives this position, or undefined. */
  function listed(story, { stratum, position }) {
    if (!story.sequential) return undefined;
    return story.result.lists.find((list) => list.stratum === stratum)?.labels[position - 1];
  }

  const witnessMessage = ({ stage, hash: subject, head, time }) => jcs([FORMAT, "witness", stage, subject, head, time]);

  function signed({ witnesses }, body) {
    const witness = witnesses.find(({ name }) => name === body.name);
    return witness !== undefined && ed25519Valid(witness.public_key, utf8(witnessMessage(body)), body.signature);
  }

  // Step 5: the story against the record.

  const names = (signatures) => new Set(signatures.map(({ name }) => name));

  function openedInTime(story, source, quorum) {
    const early = story.signatures.filter(({ stage, inTime: soon }) => stage === "commit" && soon);
    return story.openings
      .filter((opening) => opening.source === String(source) && opening.inTime)
      .some(({ entry }) => quorum === 0 || names(early.filter(({ head }) => head >= entry)).size >= quorum);
  }

  function checkOpenings(story, { entropy, quorum, design }) {
    if (!entropy.some(({ kind }) => kind === "drand")) return;
    entropy.forEach(({ kind }, source) => {
      if (!["rolls", "commit"].includes(kind) || openedInTime(story, source, quorum)) return;
      if (kind === "rolls") throw new Failure("E_LATE_OPENING", { source, why: "unseen" });
      if (design.kind !== "sequential") story.warnings.add("W_LATE_OPENING");
    });
  }

  function entropyTimeOf({ entropy }) {
    const drand = entropy.find(({ kind }) => kind === "drand");
    return drand ? roundTime(drand.round) : "";
  }

  function checkStory(story, { record, recordHash }) {
    const { protocol } = record;
    if (story.live !== record.protocol_hash || story.entropyTime !== entropyTimeOf(protocol)) {
      throw new Failure("E_NOT_COMMITTED", { found: story.live ?? "", expected: record.protocol_hash });
    }
    if (story.drawn !== recordHash)
      throw new Failure("E_RECORD_HASH", { found: story.drawn ?? "", expected: recordHash });
    for (const stage of ["commit", "draw"]) {
      const found = names(story.signatures.filter((one) => one.stage === stage && one.counts)).size;
      if (found < protocol.quorum) throw new Failure("E_QUORUM", { stage, found, expected: protocol.quorum });
    }
    checkOpenings(story, protocol);
  }

  /**
   * Verify a ledger (Uint8Array). `recordTrace` is verifyRecord's answer without BLS, or undefined while the draw is
   * open; `head` a known head, or "". Returns {ok, failure, step, facts (entry: line from 0), warnings, entries, head,
   * story}.
   */
  function verifyLedger(bytes, recordTrace, head = "") {
    return traced((trace) => {
      if (recordTrace && !recordTrace.ok) {
        throw Object.assign(new Failure(recordTrace.failure, recordTrace.facts), { step: 0 });
      }
      const entries = (trace.entries = []);
      atStep(1, () => linesOf(bytes).forEach((line, i) => entries.push(parsedEntry(line, i))));
      atStep(2, () => checkChain(entries));
      trace.head = entries[entries.length - 1].hash;
      const story = (trace.story = newStory(entries, recordTrace?.record, recordTrace?.plan));
      atStep(3, () => {
        if (head !== "" && !story.index.has(head))
          throw new Failure("E_LEDGER_HEAD", { found: trace.head, expected: head });
      });
      atStep(4, () => entries.forEach((entry, i) => REPLAY[entry.type](story, entry, i)));
      if (recordTrace) atStep(5, () => checkStory(story, recordTrace));
      trace.warnings = [...story.warnings].sort();
    });
  }

  Object.assign(trialkit, { isTime, witnessMessage, verifyLedger });
})((globalThis.trialkit ??= {}));

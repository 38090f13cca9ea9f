"use strict";
/* The chain of hashes, each with a command that redoes it in a shell. */
(function (trialkit) {
  const { ui, FORMAT, blockText, hashText, jcs, roundTime } = trialkit;
  const { t, h } = ui;

  const LONGEST_COMMAND = 4000; // characters; longer texts are saved as a file
  const MOST_STREAMS = 12;

  /** 'text', safe for a POSIX shell. */
  const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const hashCommand = (text) => `printf '%s' ${shell(text)} | sha256sum`;

  function commandBlock(command, what) {
    return h(
      "div",
      { class: "command" },
      h("pre", { tabindex: "0", role: "region", "aria-label": what }, h("code", null, command)),
      ui.copyButton(command, what),
    );
  }

  /** One link: heading, command (or a way to save the text), value. */
  function link({ title, text, command, value, file, note }) {
    const short = text !== undefined && text.length <= LONGEST_COMMAND;
    const shown = command ?? (short ? hashCommand(text) : file && `sha256sum ${file}`);
    return h(
      "li",
      null,
      h("h3", null, title),
      note && h("p", { class: "quiet" }, note),
      file &&
        h(
          "p",
          null,
          h("button", { type: "button", onclick: () => ui.save(text, file) }, `${t("chain_protocol_file")} (${file})`),
        ),
      shown && commandBlock(shown, title),
      h("p", { class: "value" }, `${t("chain_gives")} `, ui.grouped(value)),
    );
  }

  function protocolLink(trace) {
    const file = trace.protocolText.length > LONGEST_COMMAND ? "protocol.json" : undefined;
    return link({ title: t("chain_protocol"), text: trace.protocolText, value: trace.protocolHash, file });
  }

  function sourceLinks({ protocol, evidence }) {
    return protocol.entropy.map((source, i) => {
      if (source.kind === "commit") {
        const text = jcs([FORMAT, "commit", protocol.draw_id, source.party, evidence[i].secret]);
        return link({ title: t("chain_commit", { party: source.party }), text, value: source.commitment });
      }
      if (source.kind !== "drand") return undefined;
      const { signature, round } = evidence[i];
      const command = `printf '%s' ${shell(signature)} | xxd -r -p | sha256sum`;
      const note = t("chain_drand_time", { time: ui.utc(roundTime(round)) });
      return link({ title: t("chain_randomness", { round }), command, note, value: trialkit.randomness(signature) });
    });
  }

  /** The labels of every stream the result was read from, in the accepted attempt. */
  function streamLabels({ protocol }, plan, { attempt }) {
    const { design, method, entropy } = protocol;
    if (design.kind === "sequential") return design.strata.map((stratum) => ["sequence", "stratum", stratum, 0]);
    if (entropy.some((source) => source.kind === "number")) return []; // the seed decides nothing
    if (method === "rank") return [["rank", "all", "", 0]];
    return plan.parts.flatMap(({ kind, name, leftover }) => [
      ...(leftover ? [["leftover", kind, name, attempt]] : []),
      ["shuffle", kind, name, attempt],
    ]);
  }

  function streamLinks(trace) {
    const labels = streamLabels(trace.record, trace.plan, trace.result);
    const links = labels.slice(0, MOST_STREAMS).map((label) => {
      const text = blockText(trace.seed, label, 0);
      return link({ title: t("chain_block", { label: jcs(label) }), text, value: hashText(text) });
    });
    const left = labels.length - links.length;
    return left > 0 ? [...links, h("li", null, t("chain_blocks_more", { n: left }))] : links;
  }

  function recordLink(trace, fileName) {
    const command = `tr -d '\\n' < ${shell(fileName)} | sha256sum`;
    return link({ title: t("chain_record"), command, value: trace.recordHash });
  }

  /** `fileName` is the record's file, or undefined when the draw was typed in here. */
  function chainSection(trace, fileName) {
    return h(
      "section",
      { id: "chain", "aria-labelledby": "chain-heading" },
      h(
        "details",
        null,
        h("summary", null, h("h2", { id: "chain-heading" }, t("chain"))),
        h("p", { class: "no-print" }, t("chain_intro")),
        h(
          "ol",
          { class: "chain" },
          protocolLink(trace),
          sourceLinks(trace.record),
          link({ title: t("chain_seed"), text: trace.seedText, value: trace.seed }),
          streamLinks(trace),
          link({ title: t("chain_result"), text: trace.resultText, value: hashText(trace.resultText) }),
          fileName && recordLink(trace, fileName),
        ),
      ),
    );
  }

  function entryText({ type, body }) {
    if (type === "commit" && body.entropy_time) return t("entry_commit_drand", { time: ui.utc(body.entropy_time) });
    if (type === "witness")
      return t(body.stage === "draw" ? "entry_witness_draw" : "entry_witness_commit", {
        ...body,
        time: ui.utc(body.time),
      });
    if (type === "open") return t("entry_open", { source: Number(body.source) + 1 || body.source, value: body.value });
    if (type === "void") return t("entry_void", { text: body.reason });
    if (type === "note") return t("entry_note", body);
    return t(`entry_${type}`, body);
  }

  const entryRow = (entry, i, failed) =>
    h(
      "tr",
      { class: i === failed ? "failed" : undefined },
      h("td", { class: "figure" }, i + 1),
      h("td", { class: "time" }, ui.clock(entry.time)),
      h(
        "td",
        { class: "event" },
        entryText(entry),
        i === failed && h("strong", { class: "problem" }, ` ${t("ledger_failed")}`),
      ),
      h("td", null, ui.grouped(entry.hash)),
    );

  // Members stand in alphabetical order, so "hash" and "kind" are neighbours, and no quoted text can imitate them.
  const lineCommand = (file) =>
    `sed -n '1p' ${shell(file)} | sed 's/"hash":"[0-9a-f]*","kind"/"kind"/' | tr -d '\\n' | sha256sum`;

  function ledgerSection(trace, fileName) {
    return h(
      "section",
      { id: "ledger", "aria-labelledby": "ledger-heading" },
      h(
        "details",
        null,
        h("summary", null, h("h2", { id: "ledger-heading" }, t("ledger"))),
        trace.head && h("p", null, `${t("ledger_head")}: `, ui.grouped(trace.head)),
        h("p", { class: "no-print" }, t("ledger_command")),
        commandBlock(lineCommand(fileName), t("ledger_command")),
        h(
          "div",
          { class: "scroll", tabindex: "0", role: "region", "aria-label": t("ledger_caption") },
          h(
            "table",
            null,
            h("caption", null, t("ledger_caption")),
            h(
              "thead",
              null,
              h(
                "tr",
                null,
                ["line", "time", "event", "hash"].map((key) => h("th", { scope: "col" }, t(`ledger_${key}`))),
              ),
            ),
            h(
              "tbody",
              null,
              trace.entries.map((entry, i) => entryRow(entry, i, trace.facts.entry)),
            ),
          ),
        ),
      ),
    );
  }

  Object.assign(ui, { chainSection, ledgerSection });
})((globalThis.trialkit ??= {}));

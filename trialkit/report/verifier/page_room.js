"use strict";
/* The second view: a committed protocol and typed chance give the allocation, beside the official program. */
(function (trialkit) {
  const { ui, drawFrom, readProtocol, roundTime } = trialkit;
  const { t, h } = ui;

  const state = { read: undefined, name: "", typed: [], compared: "", moved: false, drawn: undefined, fault: false };

  async function take([file]) {
    if (file) open(await ui.bytesOf(file), file.name, false);
  }

  function open(bytes, name, moved) {
    Object.assign(state, { read: readProtocol(bytes), name, moved, compared: "", drawn: undefined, fault: false });
    state.typed = (state.read.protocol?.entropy ?? []).map?.(() => "") ?? [];
    render();
  }

  const numbersIn = (text) => text.split(/[\s,;]+/).filter(Boolean);

  /** A signature, or the JSON a relay answers with; its round number counts too, so that a wrong round shows. */
  function roundIn(text, round) {
    const signature = /"signature"\s*:\s*"([0-9a-fA-F]+)"/.exec(text);
    const named = /"round"\s*:\s*([0-9]{1,15})\b/.exec(text);
    const bare = (signature ? signature[1] : text.replace(/\s/g, "")).toLowerCase();
    return { kind: "drand", round: named ? Number(named[1]) : round, signature: bare };
  }

  const whole = (text) => (/^[0-9]{1,15}$/.test(text) ? Number(text) : text);

  const READ = {
    drand: (source, text) => roundIn(text, source.round),
    rolls: (_, text) => ({ kind: "rolls", values: numbersIn(text).map(whole) }),
    number: (_, text) => ({ kind: "number", tries: numbersIn(text) }),
    commit: (_, text) => ({ kind: "commit", secret: text.replace(/\s/g, "").toLowerCase() }),
    published: () => ({ kind: "published" }),
  };

  let runs = 0;

  async function compute(event) {
    event?.preventDefault();
    const { protocol } = state.read;
    const evidence = protocol.entropy.map((source, i) => READ[source.kind](source, state.typed[i]));
    state.drawn = undefined;
    state.fault = false;
    render(true);
    const run = ++runs;
    await ui.painted();
    if (run !== runs) return; // asked anew meanwhile: the newer run answers
    try {
      state.drawn = drawFrom(protocol, evidence, trialkit.bls);
    } catch (error) {
      state.fault = true;
      console.error(error);
    }
    render();
    if (run === runs) tellOutcome();
  }

  function tellOutcome() {
    const word = document.querySelector("#drawn h2");
    if (!word) return;
    ui.announce(`${word.textContent} ${state.drawn.failure}`);
    word.scrollIntoView({ block: "nearest" });
  }

  function labelled(source) {
    if (source.kind !== "rolls") return t(`source_${source.kind}`, source);
    return t(source.distinct ? "source_balls" : "source_rolls", { ...source, n: source.count });
  }

  function helpText(source) {
    const { total } = state.read.plan;
    if (source.kind === "drand") {
      const time = roundTime(source.round);
      return t("source_drand_help", { time: ui.utc(time), local: ui.moment(new Date(time)) });
    }
    if (source.kind === "number")
      return t("source_number_help", { digits: String(total - 1n).length, last: String(total - 1n) });
    return t(`source_${source.kind}_help`);
  }

  /** A result must not stand beside chance it does not come from. */
  function forget() {
    state.drawn = undefined;
    document.getElementById("drawn").replaceChildren();
  }

  function sourceField(source, i) {
    const [id, helpId] = [`source-${i}`, `source-help-${i}`];
    if (source.kind === "published")
      return h("p", null, t("source_published", source), " ", h("span", { class: "quiet" }, helpText(source)));
    const count = h("span", { class: "quiet", "aria-live": "polite" });
    const tell = () => {
      if (source.kind === "rolls")
        count.textContent = ` ${t("source_typed", { n: numbersIn(state.typed[i]).length, count: source.count })}`;
    };
    const oninput = (event) => {
      state.typed[i] = event.target.value;
      forget();
      tell();
    };
    tell();
    return h(
      "div",
      { class: "field" },
      h("label", { for: id }, `${i + 1}. ${labelled(source)}`),
      h("textarea", {
        id,
        rows: "3",
        class: "mono",
        value: state.typed[i],
        oninput,
        autocomplete: "off",
        spellcheck: "false",
        "aria-describedby": helpId,
      }),
      h("p", { id: helpId, class: "quiet" }, helpText(source), count),
    );
  }

  function comparison(hash) {
    const note = h("p", { id: "compare-help", role: "status" });
    const tell = () => {
      const typed = state.compared.replace(/[\s-]/g, "").toLowerCase();
      const word =
        typed === ""
          ? ""
          : typed === hash
            ? "compare_same"
            : typed.length < 64 && hash.startsWith(typed)
              ? "compare_short"
              : "compare_other";
      note.textContent = word && t(word);
      note.className = word === "compare_other" ? "problem" : word === "compare_same" ? "good" : "quiet";
    };
    const oninput = (event) => {
      state.compared = event.target.value;
      tell();
    };
    tell();
    return h(
      "div",
      { class: "field" },
      h("label", { for: "compare" }, t("compare")),
      h("input", {
        id: "compare",
        type: "text",
        class: "mono",
        value: state.compared,
        oninput,
        autocomplete: "off",
        spellcheck: "false",
        "aria-describedby": "compare-help",
      }),
      note,
    );
  }

  function failed(trace, heading) {
    const [means, next] = ui.words("failure")[trace.failure];
    const mistyped = trace.failure === "E_EVIDENCE" && trace.facts.source !== undefined;
    return h(
      "section",
      { class: "verdict FAILED", "data-verdict": "FAILED" },
      h("div", { class: "headline" }, ui.icon("FAILED"), h("h2", null, t(heading))),
      h(
        "p",
        { class: "where" },
        h("code", { class: "name", id: "failure" }, trace.failure),
        ` – ${ui.words("step_record")[trace.step]}`,
      ),
      mistyped ? h("p", null, t("room_mistyped", { field: trace.facts.source + 1 })) : h("p", null, means, " ", next),
      !mistyped && ui.factList(trace.facts),
    );
  }

  function form() {
    const { protocol, protocolHash } = state.read;
    return h(
      "form",
      { onsubmit: compute, novalidate: true },
      h("h2", null, protocol.title),
      h(
        "p",
        null,
        `${t("draw_id")}: `,
        h("code", null, protocol.draw_id),
        h("br"),
        protocol.units.length > 0 && t("room_units", { n: protocol.units.length }),
      ),
      h("p", null, `${t("fingerprint")}: `, ui.grouped(protocolHash)),
      comparison(protocolHash),
      h("h2", null, t("evidence")),
      protocol.entropy.map(sourceField),
      h("p", null, h("button", { type: "submit", class: "main", id: "compute" }, t("compute"))),
    );
  }

  const sums = (pairs) =>
    h(
      "dl",
      { class: "facts" },
      pairs.map(([term, hash]) => [h("dt", null, term), h("dd", null, ui.grouped(hash))]),
    );

  function drandNote({ protocol }, verified) {
    if (!protocol.entropy.some((source) => source.kind === "drand")) return undefined;
    return h("p", { class: verified ? "good" : "notice" }, t(verified ? "room_drand_ok" : "room_drand_unknown"));
  }

  function drawn(trace) {
    if (!trace.ok) return failed(trace, "room_failed");
    return [
      h(
        "section",
        { class: "drawn-here", "data-verdict": "DRAWN" },
        h("h2", null, t("room_done")),
        h("p", null, t("room_compare")),
        sums([
          [t("room_seed"), trace.seed],
          [t("chain_result"), trialkit.hashText(trace.resultText)],
          [t("chain_record"), trace.recordHash],
        ]),
        drandNote(trace.record, trace.drandVerified),
      ),
      ui.resultSection(trace),
      ui.chainSection(trace),
    ];
  }

  function outcome(busy) {
    if (busy) return h("p", { class: "busy" }, t("busy"));
    if (state.fault) return h("p", { class: "problem", role: "alert" }, t("program_fault"));
    return state.drawn && drawn(state.drawn);
  }

  function render(busy = false) {
    const focus = document.activeElement?.id;
    ui.show("room", [
      h(
        "section",
        { class: "inputs" },
        h("p", null, t("intro_room")),
        state.moved && h("p", { class: "notice" }, t("room_moved")),
        h(
          "div",
          { class: "drop" },
          h(
            "p",
            null,
            ui.fileButton(t("choose_protocol"), { id: "protocol", onfiles: take }),
            " ",
            h("span", { class: "file-name" }, state.name),
          ),
        ),
        state.read && (state.read.ok ? form() : failed(state.read, "room_not_protocol")),
      ),
      h("div", { id: "drawn" }, outcome(busy)),
    ]);
    if (focus) document.getElementById(focus)?.focus();
  }

  ui.moveToRoom = (bytes, name) => {
    ui.go("room");
    open(bytes, name, true);
  };

  Object.assign(ui, { room: { render: () => render(), take } });
})((globalThis.trialkit ??= {}));

"use strict";
/* The first view: files in, verdict out. */
(function (trialkit) {
  const { ui, verify, hex, sha256 } = trialkit;
  const { t, h } = ui;

  const state = { record: undefined, ledger: undefined, head: "", found: undefined, fault: false, when: undefined };
  const OTHER = { record: "ledger", ledger: "record" };

  /** What a file seems to be. A damaged one is told by its name; the verifier judges it, not this guess. */
  function guessed(name, bytes) {
    const text = new TextDecoder().decode(bytes);
    const first = text.slice(0, (text.indexOf("\n") + 1 || text.length + 1) - 1);
    if (
      text.includes('"format":"trialkit-draw/1 vectors"') ||
      /"format":\s*"trialkit-draw\/1 vectors"/.test(first || text)
    )
      return "vectors";
    if (first.includes('"kind":"record"')) return "record";
    if (first.includes('"kind":"entry"')) return "ledger";
    if (first.includes('"kind":"protocol"') && !first.includes('"evidence":')) return "protocol";
    return /\.jsonl$|ledger|logbog/i.test(name) ? "ledger" : "record";
  }

  async function take(files) {
    for (const file of files) {
      const bytes = await ui.bytesOf(file);
      const role = guessed(file.name, bytes);
      if (role === "protocol") return ui.moveToRoom(bytes, file.name);
      if (role === "vectors") return ui.moveToVectors(bytes);
      place(role, { name: file.name, bytes, sum: hex(sha256(bytes)) }, files.length > 1);
    }
    await compute();
  }

  /** Of two files dropped together, both guessed alike, the second takes the other role if that is empty. */
  function place(role, file, several) {
    const taken = several && state[role] !== undefined && state[role].fresh;
    state[taken && !state[OTHER[role]] ? OTHER[role] : role] = { ...file, fresh: several };
  }

  let runs = 0;

  async function compute() {
    const run = ++runs;
    for (const role of ["record", "ledger"]) if (state[role]) state[role].fresh = false;
    state.found = undefined;
    state.fault = false;
    render({ busy: Boolean(state.record || state.ledger) });
    ui.announce(t("busy"));
    if (!state.record && !state.ledger) return;
    await ui.painted();
    if (run !== runs) return; // asked anew meanwhile: the newer run answers
    const given = { record: state.record?.bytes, ledger: state.ledger?.bytes, head: state.head, bls: trialkit.bls };
    try {
      const started = performance.now();
      state.found = verify(given);
      state.milliseconds = performance.now() - started;
    } catch (error) {
      state.fault = true;
      console.error(error);
    }
    state.when = new Date();
    render({});
    if (run === runs) tellVerdict(); // a field that loses its place while the page is drawn may ask anew
  }

  /** To eyes and ears: the verdict in sight, and read aloud. */
  function tellVerdict() {
    const word = document.getElementById("verdict-word");
    if (!word) return;
    ui.announce(`${word.textContent} ${state.found.failure}`);
    word.scrollIntoView({ block: "nearest" });
    if (document.activeElement === document.body) word.focus();
  }

  function swap() {
    [state.record, state.ledger] = [state.ledger, state.record];
    return compute();
  }

  async function remove(role) {
    state[role] = undefined;
    await compute();
    document.getElementById("files-button").focus();
  }

  function chosenRow(role, file) {
    return [
      h(
        "span",
        { class: "file-name" },
        file.name,
        " ",
        h("span", { class: "quiet" }, `(${t("bytes", { n: file.bytes.length })})`),
      ),
      h(
        "span",
        { class: "file-tools" },
        h("button", { type: "button", class: "small", onclick: swap }, t(`swap_to_${OTHER[role]}`)),
        h(
          "button",
          {
            type: "button",
            class: "small",
            "aria-label": t("remove_named", { name: file.name }),
            onclick: () => remove(role),
          },
          t("remove"),
        ),
      ),
      h("span", { class: "file-sum quiet" }, `${t("file_sum")}: `, ui.grouped(file.sum)),
    ];
  }

  function fileRow(role) {
    const file = state[role];
    return h(
      "li",
      { "data-role": role, class: file ? "chosen" : "missing" },
      h("strong", null, t(`file_${role}`)),
      file ? chosenRow(role, file) : h("span", { class: "quiet" }, `${t("file_missing")} – ${t(`file_${role}_help`)}`),
    );
  }

  function headField() {
    const given = state.head;
    const bad = given !== "" && !trialkit.isHex(given, 64);
    const onchange = (event) => {
      state.head = event.target.value.replace(/\s/g, "").toLowerCase();
      compute();
    };
    return h(
      "div",
      { class: "inline-field" },
      h("label", { for: "head" }, h("strong", null, t("head"))),
      h("input", {
        id: "head",
        type: "text",
        class: "mono",
        value: given,
        onchange,
        autocomplete: "off",
        spellcheck: "false",
        "aria-describedby": "head-help",
      }),
      h(
        "p",
        { id: "head-help", class: bad ? "problem" : state.found ? "aside" : "quiet" },
        bad ? t("head_form", { n: given.length }) : t("head_help"),
      ),
    );
  }

  function inputs() {
    return h(
      "section",
      { class: "inputs" },
      !state.found && h("p", null, t("intro_check")),
      h(
        "div",
        { class: state.found ? "drop done" : "drop" },
        h(
          "p",
          null,
          h("span", { class: "drop-words" }, `${t("drop")} ${t("or")} `),
          ui.fileButton(t("choose"), { multiple: true, id: "files", onfiles: take }),
        ),
      ),
      h("ul", { class: "files" }, fileRow("record"), fileRow("ledger")),
      headField(),
    );
  }

  function answer() {
    const { found, record, ledger } = state;
    if (state.fault) return h("p", { class: "problem", role: "alert" }, t("program_fault"));
    if (!found) return undefined;
    const drawn = found.record?.ok;
    return [
      ui.verdictPanel(found, state.when),
      h("p", { class: "tools" }, h("button", { type: "button", onclick: () => window.print() }, t("print"))),
      found.failure === "E_RESULT" && ui.differences(found.record),
      drawn && found.verdict !== "FAILED" && ui.resultSection(found.record, found.ledger?.entries),
      drawn && ui.chainSection(found.record, record.name),
      found.ledger?.entries?.length > 0 && ui.ledgerSection(found.ledger, ledger.name),
    ];
  }

  function render({ busy = false }) {
    const focus = document.activeElement?.id;
    const parts = busy ? h("p", { class: "busy" }, t("busy")) : answer();
    ui.show("check", [inputs(), h("div", { id: "answer" }, parts)]);
    if (focus) document.getElementById(focus)?.focus();
  }

  Object.assign(ui, { check: { render: () => render({}), take, state } });
})((globalThis.trialkit ??= {}));

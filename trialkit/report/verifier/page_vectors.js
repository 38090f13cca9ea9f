"use strict";
/* The third view (`?vectors`): replay a vector file in this very browser. */
(function (trialkit) {
  const { ui, replayVectors } = trialkit;
  const { t, h } = ui;

  const state = { report: undefined, bad: false, busy: false };

  async function replay(bytes) {
    Object.assign(state, { report: undefined, bad: false, busy: true });
    render();
    await ui.painted();
    try {
      state.report = replayVectors(JSON.parse(new TextDecoder().decode(bytes)), trialkit.bls);
    } catch (error) {
      state.bad = true;
      console.error(error);
    }
    state.busy = false;
    render();
    ui.announce(document.querySelector("#main h2")?.textContent ?? "");
  }

  async function take([file]) {
    if (file) await replay(await ui.bytesOf(file));
  }

  function outcome({ passed, failed, skipped, total }) {
    const counts = {
      passed: ui.number(passed),
      failed: ui.number(failed.length),
      skipped: ui.number(skipped.length),
      total: ui.number(total),
    };
    const sign = failed.length ? "FAILED" : "CONFIRMED";
    return h(
      "section",
      { class: `verdict ${sign}`, "data-passed": passed, "data-failed": failed.length, "data-skipped": skipped.length },
      h("div", { class: "headline" }, ui.icon(sign), h("h2", null, t("vectors_passed", counts))),
      skipped.length > 0 && h("p", null, t("vectors_skipped")),
      failed.length > 0 &&
        h(
          "ul",
          null,
          failed.map(([group, name]) => h("li", null, `${group}: ${name}`)),
        ),
    );
  }

  function render() {
    ui.show("vectors", [
      h(
        "section",
        { class: "inputs" },
        h("p", null, t("intro_vectors")),
        h(
          "div",
          { class: "drop" },
          h("p", null, ui.fileButton(t("choose_vectors"), { id: "vectors-file", onfiles: take })),
        ),
      ),
      h(
        "div",
        null,
        state.busy && h("p", { class: "busy" }, t("busy")),
        state.bad && h("p", { class: "problem" }, t("vectors_bad")),
        state.report && outcome(state.report),
      ),
    ]);
  }

  ui.moveToVectors = (bytes) => {
    ui.go("vectors");
    return replay(bytes);
  };

  Object.assign(ui, { vectors: { render, take } });
})((globalThis.trialkit ??= {}));

"use strict";
/* The verdict in words: what was found, what it means, what to do now. */
(function (trialkit) {
  const { ui } = trialkit;
  const { t, words, h, icon } = ui;

  const FAR = ["R_NO_RECORD", "R_NO_LEDGER"];

  function factText(key, value) {
    if (key === "why") return words("why")[value] ?? value;
    if (key === "set") return words("set")[value] ?? value;
    if (key === "stage") return words("stage")[value] ?? value;
    if (key === "source") return String(Number(value) + 1);
    if (/^[0-9a-f]{64}$/.test(value)) return ui.grouped(value);
    return typeof value === "number" ? ui.number(value) : String(value);
  }

  /** What stood in the file, as pairs of term and text. */
  function factList(facts) {
    const known = Object.keys(words("fact")).filter((key) => facts[key] !== undefined && facts[key] !== "");
    if (!known.length) return undefined;
    const pairs = known.map((key) => [h("dt", null, words("fact")[key]), h("dd", null, factText(key, facts[key]))]);
    return [h("h3", null, t("facts")), h("dl", { class: "facts" }, pairs)];
  }

  const bullets = (texts) =>
    h(
      "ul",
      null,
      texts.filter(Boolean).map((text) => h("li", null, text)),
    );

  function confirmedMeans({ quorum }) {
    const seen = quorum ? t("CONFIRMED_witnessed", { n: quorum }) : t("CONFIRMED_unwitnessed");
    return bullets([t("CONFIRMED_means"), seen]);
  }

  function named(name) {
    const [means, next] = words("warning")[name];
    const code = FAR.includes(name) ? undefined : h("code", { class: "name" }, name);
    return h("li", null, means, next ? ` ${next} ` : " ", code);
  }

  function place({ document: which, step, facts }) {
    const steps = words(which === "record" ? "step_record" : "step_ledger");
    const where = t("failed_at", { document: t(`in_${which}`), step, name: steps[step] });
    return facts.entry === undefined ? where : `${where}, ${t("line_number", { n: facts.entry + 1 })}`;
  }

  function failureParts(found) {
    const [means, next] = words("failure")[found.failure];
    return [
      h("p", { class: "where" }, h("code", { class: "name", id: "failure" }, found.failure), " – ", place(found)),
      h("p", null, t("FAILED_line")),
      found.record?.ok && h("p", null, t("record_alone")),
      h("h3", null, t("means")),
      h("p", null, means),
      factList(found.facts),
      h("h3", null, t("next")),
      bullets([next, ...words("FAILED_next")]),
    ];
  }

  function warningParts(names) {
    return names.length > 0 && [h("h3", null, t("warnings")), h("ul", { id: "warnings" }, names.map(named))];
  }

  function openParts(found) {
    return [
      h("p", null, t("NOT_CONFIRMED_open")),
      h("h3", null, t("why_not")),
      h("ul", { id: "reasons" }, found.reasons.map(named)),
      warningParts(found.warnings),
    ];
  }

  function okParts(found) {
    if (!found.record) return openParts(found);
    return [
      h("p", null, t(`${found.verdict}_line`)),
      found.reasons.length > 0 && [h("h3", null, t("why_not")), h("ul", { id: "reasons" }, found.reasons.map(named))],
      found.verdict === "CONFIRMED" && [h("h3", null, t("means")), confirmedMeans(found.record.record.protocol)],
      warningParts(found.warnings.filter((name) => !found.reasons.includes(name))),
      h("h3", null, t("next")),
      bullets(words(`${found.verdict}_next`)),
    ];
  }

  /** The panel for an answer of trialkit.verify. */
  function verdictPanel(found, when) {
    const draw = found.record?.record?.protocol;
    const title = draw && typeof draw.title === "string" ? draw.title : "";
    return h(
      "section",
      { class: `verdict ${found.verdict}`, "data-verdict": found.verdict, "aria-labelledby": "verdict-word" },
      h(
        "div",
        { class: "headline" },
        icon(found.verdict),
        h("h2", { id: "verdict-word", tabindex: "-1" }, t(found.verdict)),
      ),
      title && h("p", { class: "drawn" }, title),
      found.verdict === "FAILED" ? failureParts(found) : okParts(found),
      h("p", { class: "quiet" }, t("checked_at", { time: ui.moment(when) })),
    );
  }

  Object.assign(ui, { verdictPanel, factList });
})((globalThis.trialkit ??= {}));

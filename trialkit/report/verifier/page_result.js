"use strict";
/* The result in words and as a list that can be searched. */
(function (trialkit) {
  const { ui, alphabets } = trialkit;
  const { t, h } = ui;

  const FIRST_ROWS = 100;
  const MORE_ROWS = 1000;
  const MOST_PRINTED = 20_000;

  // The labels the program itself gives.
  const OWN_LABELS = { lottery: ["offer", "waiting"], rollout: ["waiting"] };

  /** A label as a person says it; the program's own are translated, with the file's word beside. */
  function labelText(label, kind) {
    if (!OWN_LABELS[kind]?.includes(label)) return label;
    const word = t(label);
    return word === label ? word : `${word} (${label})`;
  }

  /** The columns of a row besides its number, as [key, heading]. */
  function columns({ design }) {
    if (design.kind === "sequential")
      return [
        ["stratum", "stratum"],
        ["position", "position"],
        ["label", "drawn"],
        ["person", "assigned_to"],
      ];
    const found = design.kind === "lottery" ? [["position", "position"]] : [];
    found.push(["id", "unit"]);
    if (design.level === "cluster") found.push(["cluster", "cluster"]);
    if (["blocked", "matched", "blocked_wedge"].includes(design.kind)) found.push(["block", "block"]);
    if (design.kind === "lottery") found.push(["tier", "tier"]);
    found.push(["label", "drawn"]);
    return found;
  }

  function allocationRows({ design, units }, { allocation }) {
    return allocation.map((entry, i) => ({
      number: i + 1,
      id: entry.id,
      cluster: units[i].cluster,
      block: units[i].block,
      tier: units[i].tier,
      position: entry.position,
      fixed: units[i].fixed !== undefined,
      label: labelText(entry.label, design.kind),
    }));
  }

  function listRows({ lists }, entries) {
    const persons = new Map();
    for (const { type, body } of entries ?? [])
      if (type === "assign") persons.set(`${body.position} ${body.stratum}`, body.unit);
    return lists.flatMap(({ stratum, labels }) =>
      labels.map((label, i) => ({ stratum, position: i + 1, label, person: persons.get(`${i + 1} ${stratum}`) ?? "" })),
    );
  }

  function rowsOf(protocol, result, entries) {
    const rows = protocol.design.kind === "sequential" ? listRows(result, entries) : allocationRows(protocol, result);
    rows.forEach((row, i) => (row.number = i + 1));
    return rows;
  }

  function resultOrder(protocol, result, rows) {
    if (protocol.design.kind === "lottery")
      return [...rows].sort((a, b) => a.position - b.position || a.number - b.number);
    const rank = new Map([...(protocol.design.labels ?? []).map((label) => label.name)].map((name, i) => [name, i]));
    const of = (row) => rank.get(row.label) ?? rank.size;
    return [...rows].sort((a, b) => of(a) - of(b) || a.number - b.number);
  }

  function tally(rows) {
    const counts = new Map();
    for (const { label, fixed } of rows) if (!fixed) counts.set(label, (counts.get(label) ?? 0) + 1);
    return counts;
  }

  /** In the protocol's own order of labels, so that "now" stands before "later". */
  function tallySentence({ design }, rows) {
    const counts = tally(rows);
    const order = [...new Set([...(design.labels ?? []).map((label) => label.name), ...counts.keys()])];
    const parts = order
      .filter((label) => counts.has(label))
      .map((label) => t("summary_label", { n: counts.get(label), label }));
    return parts.length ? `${ui.listed(parts)}.` : "";
  }

  function ruleSentence({ method, design }, result, plan) {
    if (method === "rank") return t("summary_rank", { rank: result.rank, total: String(plan.total) });
    if (!design.constraint) return "";
    return result.attempt === 0 ? t("summary_attempt_first") : t("summary_attempt", { n: result.attempt + 1 });
  }

  function summary(protocol, result, plan, rows) {
    const { design } = protocol;
    if (design.kind === "sequential") {
      return [t("summary_lists", { n: design.strata.length, length: ui.number(design.length) })];
    }
    const fixed = rows.filter((row) => row.fixed).length;
    const sentences = [t("summary", { n: rows.length })];
    if (design.level === "cluster") sentences.push(t("summary_clusters", { n: plan.items.length }));
    sentences.push(tallySentence(protocol, rows));
    if (fixed) sentences.push(t("summary_fixed", { n: fixed }));
    sentences.push(ruleSentence(protocol, result, plan));
    return sentences.filter(Boolean);
  }

  function mixedScripts(protocol) {
    const mixed = protocol.units.map((unit) => unit.id).filter((id) => alphabets(id).length > 1);
    return mixed.length
      ? h("p", { class: "notice" }, t("scripts", { names: mixed.slice(0, 20).join(", ") }))
      : undefined;
  }

  const NUMERIC = new Set(["position", "tier"]);

  function cell(row, key) {
    const text = row[key] === undefined ? "" : String(row[key]);
    if (key === "id") return h("th", { scope: "row" }, text);
    if (key === "label" && row.fixed) return h("td", null, text, h("span", { class: "quiet" }, ` – ${t("fixed")}`));
    return h("td", NUMERIC.has(key) ? { class: "figure" } : null, text);
  }

  const tableRow = (keys, row) =>
    h(
      "tr",
      null,
      h("td", { class: "figure" }, ui.number(row.number)),
      keys.map(([key]) => cell(row, key)),
    );

  const matches = (row, keys, wanted) =>
    keys.some(([key]) => row[key] !== undefined && String(row[key]).toLowerCase().includes(wanted));

  /** The list: search, order, and rows in portions, so that ten thousand units do not hold the page still. */
  function resultTable(protocol, result, rows) {
    const keys = columns(protocol);
    const state = { wanted: "", sorted: protocol.design.kind === "lottery", limit: FIRST_ROWS };
    const byResult = resultOrder(protocol, result, rows);
    const body = h("tbody");
    const shown = h("p", { class: "quiet", role: "status", id: "showing" });
    const more = h("button", { type: "button", onclick: () => ((state.limit += MORE_ROWS), fill()) }, t("more"));
    const none = h("p", { hidden: true }, t("none_found"));

    function fill() {
      const ordered = state.sorted ? byResult : rows;
      const found = state.wanted ? ordered.filter((row) => matches(row, keys, state.wanted)) : ordered;
      const visible = found.slice(0, state.limit);
      body.replaceChildren(...visible.map((row) => tableRow(keys, row)));
      shown.textContent = t("showing", { shown: ui.number(visible.length), total: ui.number(rows.length) });
      more.hidden = visible.length === found.length;
      none.hidden = found.length > 0;
    }

    const printed = h(
      "p",
      { class: "only-print", hidden: rows.length <= MOST_PRINTED },
      t("print_cut", { n: MOST_PRINTED }),
    );
    ui.beforePrint = () => ((state.limit = MOST_PRINTED), fill());
    fill();
    const onsearch = (event) => (
      (state.wanted = event.target.value.trim().toLowerCase()),
      (state.limit = FIRST_ROWS),
      fill()
    );
    const onsort = (event) => ((state.sorted = event.target.value === "result"), fill());
    return [
      h(
        "div",
        { class: "controls" },
        h(
          "label",
          null,
          t("search"),
          h("input", { type: "search", id: "search", oninput: onsearch, autocomplete: "off" }),
        ),
        h(
          "label",
          null,
          t("sort"),
          h(
            "select",
            { id: "sort", onchange: onsort },
            h("option", { value: "number" }, t("sort_number")),
            h("option", { value: "result", selected: state.sorted }, t("sort_result")),
          ),
        ),
      ),
      shown,
      h(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": t("caption") },
        h(
          "table",
          { id: "list" },
          h("caption", { class: "aside" }, t("caption")),
          h(
            "thead",
            null,
            h(
              "tr",
              null,
              h("th", { scope: "col", class: "figure" }, t("number")),
              keys.map(([key, heading]) =>
                h("th", { scope: "col", class: NUMERIC.has(key) ? "figure" : undefined }, t(heading)),
              ),
            ),
          ),
          body,
        ),
      ),
      none,
      more,
      printed,
    ];
  }

  /** Title, fingerprint, sentences, list. `trace` is a verified record's or a draw's; `entries` the ledger's, if any. */
  function resultSection(trace, entries) {
    const { protocol } = trace.record;
    const rows = rowsOf(protocol, trace.result, entries);
    return h(
      "section",
      { "aria-labelledby": "result-heading", id: "result" },
      h("h2", { id: "result-heading" }, t("result")),
      h(
        "p",
        null,
        `${t("draw_id")}: `,
        h("code", null, protocol.draw_id),
        h("br"),
        `${t("fingerprint")}: `,
        ui.grouped(trace.protocolHash),
      ),
      h("p", { id: "summary" }, summary(protocol, trace.result, trace.plan, rows).join(" ")),
      mixedScripts(protocol),
      resultTable(protocol, trace.result, rows),
    );
  }

  const isRow = (entry) => trialkit.isObject(entry) && typeof entry.id === "string";

  function labelsById(result) {
    const list = Array.isArray(result.allocation) ? result.allocation : [];
    return new Map(list.filter(isRow).map((entry) => [entry.id, entry]));
  }

  function said(entry, kind) {
    if (!entry) return t("absent");
    const label = labelText(String(entry.label), kind);
    return entry.position === undefined ? label : `${entry.position}: ${label}`;
  }

  /** After E_RESULT: where the file's list and the lot's part. */
  function differences(trace) {
    const { design } = trace.record.protocol;
    const [file, lot] = [labelsById(trace.record.result), labelsById(trace.result)];
    const ids = [...new Set([...lot.keys(), ...file.keys()])];
    const odd = ids.filter((id) => said(file.get(id), design.kind) !== said(lot.get(id), design.kind));
    if (!odd.length)
      return h(
        "section",
        { id: "differences" },
        h("p", null, design.kind === "sequential" ? "" : t("differs_elsewhere")),
      );
    const row = (id) =>
      h(
        "tr",
        null,
        h("th", { scope: "row" }, id),
        h("td", null, said(file.get(id), design.kind)),
        h("td", null, said(lot.get(id), design.kind)),
      );
    return h(
      "section",
      { id: "differences", "aria-labelledby": "differences-heading" },
      h("h2", { id: "differences-heading" }, t("differences", { n: odd.length })),
      h(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "differences-heading" },
        h(
          "table",
          null,
          h(
            "thead",
            null,
            h(
              "tr",
              null,
              ["unit", "says_file", "says_draw"].map((key) => h("th", { scope: "col" }, t(key))),
            ),
          ),
          h("tbody", null, odd.slice(0, MORE_ROWS).map(row)),
        ),
      ),
    );
  }

  Object.assign(ui, { resultSection, differences, labelText });
})((globalThis.trialkit ??= {}));

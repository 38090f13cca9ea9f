"use strict";
/* Putting the page together: language, views, and files dropped anywhere. */
(function (trialkit) {
  const { ui } = trialkit;
  const { t, h } = ui;

  const VIEWS = ["check", "room", "vectors"];
  const LANGUAGES = [
    ["da", "Dansk"],
    ["en", "English"],
  ];
  const asked = new URLSearchParams(location.search);

  function firstLanguage() {
    if (["da", "en"].includes(asked.get("lang"))) return asked.get("lang");
    return /^(da|nb|nn|no|sv|fo|kl)\b/.test(navigator.language || "da") ? "da" : "en";
  }

  function firstView() {
    const named = location.hash.slice(1);
    if (VIEWS.includes(named)) return named;
    return asked.has("vectors") ? "vectors" : asked.has("room") ? "room" : "check";
  }

  let view = firstView();
  ui.lang = firstLanguage();

  function setLanguage(lang) {
    ui.lang = lang;
    renderAll();
    document.getElementById(`lang-${lang}`).focus();
  }

  function languageButton([lang, name]) {
    const pressed = String(lang === ui.lang);
    return h(
      "button",
      { type: "button", id: `lang-${lang}`, lang, "aria-pressed": pressed, onclick: () => setLanguage(lang) },
      name,
    );
  }

  function header() {
    return [
      h(
        "div",
        { class: "bar" },
        h("p", { class: "brand" }, "trialkit"),
        h("div", { class: "languages", role: "group", "aria-label": t("language") }, LANGUAGES.map(languageButton)),
      ),
      h("h1", null, t("title")),
      h(
        "nav",
        { "aria-label": t("views") },
        h(
          "ul",
          null,
          VIEWS.map((name) =>
            h(
              "li",
              null,
              h("a", { href: `#${name}`, "aria-current": name === view ? "page" : undefined }, t(`view_${name}`)),
            ),
          ),
        ),
      ),
    ];
  }

  function footer() {
    return [h("p", null, t("footer")), h("p", { id: "edition" }, t(trialkit.bls ? "full" : "core"), " ", t("offline"))];
  }

  /** Put the parts of a view on the page, if that view is the one looked at. */
  ui.show = (name, parts) => {
    if (name === view) document.getElementById("main").replaceChildren(...parts.filter(Boolean));
  };

  /** Said by screen readers; on the page itself it stands anyway. */
  ui.announce = (text) => (document.getElementById("status").textContent = text);

  ui.go = (name) => {
    view = name;
    if (location.hash !== `#${name}`) history.replaceState(null, "", `#${name}`);
    renderAll();
  };

  function renderAll() {
    document.documentElement.lang = ui.lang;
    document.title = `${t("title")} – trialkit`;
    document.getElementById("skip").textContent = t("skip");
    document.getElementById("top").replaceChildren(...header());
    document.getElementById("foot").replaceChildren(...footer());
    ui.beforePrint = undefined;
    ui[view].render();
  }

  function dropped(event) {
    event.preventDefault();
    document.body.classList.remove("dragging");
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length) ui[view].take(files);
  }

  function beforePrint() {
    ui.beforePrint?.();
    for (const details of document.querySelectorAll("details:not([open])")) {
      details.open = true;
      details.dataset.opened = "for print";
    }
  }

  function afterPrint() {
    for (const details of document.querySelectorAll("details[data-opened]")) {
      details.open = false;
      delete details.dataset.opened;
    }
  }

  addEventListener("dragover", (event) => (event.preventDefault(), document.body.classList.add("dragging")));
  addEventListener("dragleave", (event) => event.relatedTarget === null && document.body.classList.remove("dragging"));
  addEventListener("drop", dropped);
  addEventListener("hashchange", () => VIEWS.includes(location.hash.slice(1)) && ui.go(location.hash.slice(1)));
  addEventListener("beforeprint", beforePrint);
  addEventListener("afterprint", afterPrint);
  renderAll();
})((globalThis.trialkit ??= {}));

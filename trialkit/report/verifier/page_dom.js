"use strict";
/* Words, numbers and elements for the page. Text from a file only ever becomes a text node, never markup. */
(function (trialkit) {
  const ui = (trialkit.ui = { lang: "da" });
  const LOCALES = { da: "da-DK", en: "en-GB" };

  const number = (n) => new Intl.NumberFormat(LOCALES[ui.lang]).format(n);
  const moment = (date) =>
    new Intl.DateTimeFormat(LOCALES[ui.lang], { dateStyle: "long", timeStyle: "short" }).format(date);

  /** 2023-08-23T15:59:24Z as 2023-08-23 15:59:24. */
  const clock = (time) => time.replace("T", " ").replace("Z", "");
  const utc = (time) => `${clock(time)} UTC`;

  const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => String(values[key] ?? ""));

  /** The words of `key`, with `{blanks}` filled; a pair of texts is chosen by `values.n`, which is then formatted. */
  function t(key, values = {}) {
    const found = trialkit.words[ui.lang][key];
    if (found === undefined) throw new Error(`No words for ${key}`);
    const text = Array.isArray(found) ? found[values.n === 1 ? 0 : 1] : found;
    return filled(text, typeof values.n === "number" ? { ...values, n: number(values.n) } : values);
  }

  const words = (key) => trialkit.words[ui.lang][key];

  /** "a, b and c" */
  function listed(parts) {
    if (parts.length < 2) return parts.join("");
    return `${parts.slice(0, -1).join(", ")} ${t("list_and")} ${parts[parts.length - 1]}`;
  }

  function append(parent, children) {
    for (const child of children) {
      if (Array.isArray(child)) append(parent, child);
      else if (child !== undefined && child !== null && child !== false) parent.append(child);
    }
  }

  /** An element: h("p", {class: "x", onclick: f}, "text", child, [children]). */
  function h(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes ?? {})) {
      if (value === undefined || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (name === "value") element.value = value;
      else element.setAttribute(name, value === true ? "" : value);
    }
    append(element, children);
    return element;
  }

  const SVG = "http://www.w3.org/2000/svg";
  const SHAPES = {
    CONFIRMED: ["M24 4a20 20 0 1 0 0 40a20 20 0 1 0 0-40z", "M14 25l7 7l14-16"],
    NOT_CONFIRMED: ["M24 5L45 42H3z", "M24 18v12", "M24 35.5v1"],
    FAILED: ["M16 4h16l12 12v16l-12 12h-16l-12-12v-16z", "M16 16l16 16", "M32 16l-16 16"],
  };

  /** The sign of a verdict: its shape differs, not only its colour. */
  function icon(verdict) {
    const svg = document.createElementNS(SVG, "svg");
    for (const [name, value] of [
      ["viewBox", "0 0 48 48"],
      ["aria-hidden", "true"],
      ["class", "icon"],
    ])
      svg.setAttribute(name, value);
    for (const shape of SHAPES[verdict]) {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", shape);
      svg.append(path);
    }
    return svg;
  }

  /** A hash in groups of eight, which a person can compare; copying it gives the bare characters. */
  function grouped(hash) {
    const parts = hash.match(/.{1,8}/g) ?? [];
    return h(
      "code",
      { class: "hash" },
      parts.map((part) => h("span", null, part)),
    );
  }

  function copied(button) {
    button.textContent = t("copied");
    setTimeout(() => (button.textContent = t("copy")), 1500);
  }

  /** Older browsers, and pages from disk in some, lack navigator.clipboard. */
  function copyBySelection(text) {
    const area = h("textarea", { readonly: true, class: "aside", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }

  async function copy(text, button) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      copyBySelection(text);
    }
    copied(button);
  }

  const copyButton = (text, what) =>
    h(
      "button",
      {
        type: "button",
        class: "small",
        "aria-label": `${t("copy")}: ${what}`,
        onclick: (event) => copy(text, event.currentTarget),
      },
      t("copy"),
    );

  function save(text, name) {
    const link = h("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  /** A button that opens the computer's file chooser; `onfiles` gets an array of File. */
  function fileButton(label, { multiple = false, id, onfiles }) {
    const onchange = (event) => {
      onfiles([...event.target.files]);
      event.target.value = "";
    };
    const input = h("input", { type: "file", id, multiple, hidden: true, onchange });
    const button = h(
      "button",
      { type: "button", id: `${id}-button`, class: "main", onclick: () => input.click() },
      label,
    );
    return [input, button];
  }

  const bytesOf = async (file) => new Uint8Array(await file.arrayBuffer());

  /** Let the browser paint "computing" before a computation that holds the page still. */
  const painted = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

  Object.assign(ui, {
    t,
    words,
    number,
    moment,
    clock,
    utc,
    listed,
    filled,
    h,
    icon,
    grouped,
    copyButton,
    save,
    fileButton,
    bytesOf,
    painted,
  });
})((globalThis.trialkit ??= {}));

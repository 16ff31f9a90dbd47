/** Small helpers for elements. Text from outside only ever becomes text, never markup. */

export const byId = (id) => document.getElementById(id);

/** `el("button", { class: "link", onclick }, "text", child)`. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Writes only what has changed, so that screen readers and selections are left in peace. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Makes the children of `parent` match the items: an element stays as long as its key is there, so
 * that the focus stays too. `create` gives `{ element, update }`.
 */
export function keyed(parent, items, keyOf, create) {
  parent.kept ??= new Map();
  const kept = new Map();
  items.forEach((item, index) => {
    let key = String(keyOf(item));
    // What others say may be there twice; each has a row of its own.
    while (kept.has(key)) key += " ";
    const part = parent.kept.get(key) ?? create(item);
    part.update(item);
    kept.set(key, part);
    if (parent.children[index] !== part.element) {
      parent.insertBefore(part.element, parent.children[index] ?? null);
    }
  });
  for (const [key, part] of parent.kept) if (kept.get(key) !== part) part.element.remove();
  parent.kept = kept;
}

/** The rows of a table, or what stands in the place of an empty one. */
export function showList(name, items, keyOf, create) {
  byId(`${name}-table`).hidden = items.length === 0;
  byId(`${name}-empty`).hidden = items.length > 0;
  keyed(byId(`${name}-rows`), items, keyOf, create);
}

export function bar() {
  const fill = el("span", { class: "bar-fill" });
  const element = el("div", { class: "bar", role: "img" }, fill);
  return {
    element,
    /** A part of 1, and the sentence for who cannot see it. */
    set(part, label) {
      fill.style.width = `${Math.min(100, Math.max(0, part * 100))}%`;
      element.setAttribute("aria-label", label);
      element.title = label;
    },
  };
}

export function toast(text, kind = "done") {
  const element = el("p", { class: "toast", "data-kind": kind }, text);
  byId("toasts").append(element);
  setTimeout(() => element.remove(), kind === "error" ? 10_000 : 4_000);
}

export function showError(error) {
  toast(error.hint ? `${capital(error.message)}. ${error.hint}` : capital(error.message), "error");
}

/** Asks yes or no; resolves to true for yes. */
export function confirmed(title, text, yes) {
  setText(byId("confirm-title"), title);
  setText(byId("confirm-text"), text);
  setText(byId("confirm-yes"), yes);
  return dialogResult(byId("confirm")).then((value) => value === "yes");
}

/** Asks for a line of text; resolves to undefined when it was cancelled. */
export async function asked(title, label, yes) {
  const input = byId("ask-input");
  input.value = "";
  setText(byId("ask-title"), title);
  setText(byId("ask-label"), label);
  setText(byId("ask-yes"), yes);
  const result = dialogResult(byId("ask"));
  input.focus();
  return (await result) === "yes" ? input.value.trim() : undefined;
}

function dialogResult(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
  });
}

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export function formatBytes(bytes) {
  const units = ["B", "KB", "MB", "GB", "TB", "PB"];
  let value = bytes;
  let unit = 0;
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

const STEPS = [
  ["second", 60],
  ["minute", 60],
  ["hour", 24],
  ["day", 30],
  ["month", 12],
  ["year", Number.POSITIVE_INFINITY],
];

const AGES = new Intl.RelativeTimeFormat("en", { numeric: "always" });
const TIMES = new Intl.DateTimeFormat(undefined, {
  ...{ year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" },
  ...{ second: "2-digit", timeZoneName: "short" },
});

/** `3 minutes ago`, `in 2 hours`. */
export function formatAge(timeMs, nowMs = Date.now()) {
  let value = (timeMs - nowMs) / 1000;
  if (Math.abs(value) < 5) return "just now";
  for (const [unit, size] of STEPS) {
    if (Math.abs(value) < size) return AGES.format(Math.trunc(value), unit);
    value /= size;
  }
  return "";
}

/** `0.8 s`, `43 s`, `12 min`, `3 h`, `2 d`. */
export function formatLasted(durationMs) {
  const seconds = Math.max(0, durationMs) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800
    ? `${Math.round(seconds / 3_600)} h`
    : `${Math.round(seconds / 86_400)} d`;
}

/** With its time zone: whoever reads it may sit elsewhere. */
export const formatTime = (timeMs) => TIMES.format(timeMs);
export const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

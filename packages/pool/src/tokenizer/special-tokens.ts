/**
 * Special tokens within text: where they may be read out of it, and where they must not. A chat
 * template writes them on purpose; what a person wrote may hold the same characters and is text.
 */
import type { Vocabulary } from "./vocabulary.js";

/**
 * Stands behind the first character of what would be a control token in somebody's text. Unicode
 * gives it to nobody ("noncharacter"), so no tokenizer knows it; it is taken out again.
 */
const GUARD = "\ufdd0";
const GUARDS = /\ufdd0/gu;

/** A piece of text, or a special token that was found. */
export type Fragment = string | number;

export class SpecialTokens {
  readonly #ids: ReadonlyMap<string, number>;
  /** All special tokens, and those that are text wherever they occur. */
  readonly #all: RegExp | undefined;
  readonly #defined: RegExp | undefined;
  /** Matches nothing but looks: where a control token begins. */
  readonly #controlBegins: RegExp | undefined;
  readonly #controls: readonly string[];

  constructor(vocabulary: Vocabulary) {
    const defined: string[] = [];
    const controls: string[] = [];
    for (const [id, kind] of vocabulary.kinds.entries()) {
      const text = vocabulary.texts[id] ?? "";
      if (text === "") continue;
      if (kind === "defined") defined.push(text);
      if (kind === "control" || kind === "unknown") controls.push(text);
    }
    this.#ids = vocabulary.ids;
    this.#controls = controls;
    this.#all = anyOf([...defined, ...controls], "gu");
    this.#defined = anyOf(defined, "gu");
    const begins = anyOf(controls, "u");
    this.#controlBegins =
      begins === undefined ? undefined : new RegExp(`(?=${begins.source})[^]`, "gu");
  }

  /** Cuts text at special tokens; at control tokens only when `parseControl` is set. */
  split(text: string, parseControl: boolean): Fragment[] {
    const pattern = parseControl ? this.#all : this.#defined;
    if (pattern === undefined) return text === "" ? [] : [plain(text)];
    const fragments: Fragment[] = [];
    let from = 0;
    for (const match of text.matchAll(pattern)) {
      if (match.index > from) fragments.push(plain(text.slice(from, match.index)));
      const id = this.#ids.get(match[0]);
      if (id !== undefined) fragments.push(id);
      from = match.index + match[0].length;
    }
    if (from < text.length) fragments.push(plain(text.slice(from)));
    return fragments.filter((fragment) => fragment !== "");
  }

  /**
   * Somebody's text, as it may be put into a template whose result is split with `parseControl`: no
   * control token begins in it, whatever stands behind it.
   */
  guard(text: string): string {
    const clean = text.replace(GUARDS, "\ufffd");
    if (this.#controlBegins === undefined) return clean;
    const guarded = clean.replace(this.#controlBegins, (first) => first + GUARD);
    return this.#guardEnd(guarded);
  }

  /** The end could be the beginning of a control token; templates may trim the space behind it. */
  #guardEnd(text: string): string {
    const end = text.trimEnd();
    const longest = this.#controls.reduce((most, { length }) => Math.max(most, length), 0);
    const heads: number[] = [];
    for (let at = Math.max(0, end.length - longest + 1); at < end.length; at += 1) {
      const tail = end.slice(at);
      if (this.#controls.some((control) => control.startsWith(tail))) heads.push(at);
    }
    let result = text;
    for (const at of heads.reverse()) {
      const width = (result.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
      result = result.slice(0, at + width) + GUARD + result.slice(at + width);
    }
    return result;
  }
}

function plain(text: string): string {
  return text.replace(GUARDS, "");
}

/** The longest first, so that no shorter one is taken in its place. */
function anyOf(texts: readonly string[], flags: string): RegExp | undefined {
  if (texts.length === 0) return undefined;
  const escaped = [...texts]
    .sort((a, b) => b.length - a.length || (a < b ? -1 : 1))
    .map((text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, (sign) => `\\${sign}`));
  return new RegExp(escaped.join("|"), flags);
}

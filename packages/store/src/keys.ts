/**
 * The order of keys. Keys are ordered by their UTF-8 bytes, which is the order of their code
 * points; JavaScript compares UTF-16 code units, which differs above U+FFFF.
 */
import type { KeyRange } from "./types.js";

/** `start <= key < end`; without `end` the range goes to the last key. */
export interface KeyBounds {
  readonly start: string;
  readonly end: string | undefined;
}

const LAST_CODE_POINT = 0x10ffff;

/** Moves surrogates (characters above U+FFFF) behind U+E000..U+FFFF, as in UTF-8. */
function utf8Rank(codeUnit: number): number {
  if (codeUnit >= 0xe000) return codeUnit - 0x800;
  return codeUnit >= 0xd800 ? codeUnit + 0x2000 : codeUnit;
}

/** Negative, zero or positive, as `a` comes before, is, or comes after `b`. */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left !== right) return utf8Rank(left) - utf8Rank(right);
  }
  return a.length - b.length;
}

/** The first text after every text with this prefix; nothing when there is none. */
function endOfPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0);
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    if (last === LAST_CODE_POINT) continue;
    const next = last === 0xd7ff ? 0xe000 : last + 1;
    return String.fromCodePoint(...points, next);
  }
  return undefined;
}

export function boundsOf(range: KeyRange): KeyBounds {
  if ("prefix" in range) return { start: range.prefix, end: endOfPrefix(range.prefix) };
  return { start: range.start, end: range.end };
}

export function contains(bounds: KeyBounds, key: string): boolean {
  return (
    compareKeys(bounds.start, key) <= 0 &&
    (bounds.end === undefined || compareKeys(key, bounds.end) < 0)
  );
}

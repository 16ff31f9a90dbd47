/**
 * Names of topics, and patterns over them. A topic is 1 to 16 words with dots between them, such as
 * `mesh.eu.load`. In a pattern `*` stands for exactly one word, and `>` as the last word for one or
 * more. These are the rules of NATS subjects, with stricter words: any characters but dots, `*`,
 * `>`, whitespace, control characters and lone surrogates.
 */
import { QWormholeError } from "./errors.js";
import { TOPIC_BYTES_MAX, TOPIC_WORDS_MAX } from "./limits.js";

const WORD = /^[^.*>\s\p{Control}\p{Surrogate}]+$/u;
/** Shown of a refused name; a peer chose it. */
const SHOWN_LENGTH_MAX = 64;

/** Throws `QW_TOPIC_INVALID`, saying what is wrong. */
export function checkTopic(topic: unknown): asserts topic is string {
  splitTopic(topic);
}

/** Throws `QW_TOPIC_INVALID`, saying what is wrong. */
export function checkPattern(pattern: unknown): asserts pattern is string {
  splitPattern(pattern);
}

/** The words of a topic. Throws `QW_TOPIC_INVALID`. */
export function splitTopic(topic: unknown): string[] {
  const words = split(topic, "topic");
  for (const word of words) {
    if (!WORD.test(word)) throw wordInvalid("topic", topic, word);
  }
  return words;
}

/** The words of a pattern. Throws `QW_TOPIC_INVALID`. */
export function splitPattern(pattern: unknown): string[] {
  const words = split(pattern, "pattern");
  words.forEach((word, index) => {
    const isWildcard = word === "*" || (word === ">" && index === words.length - 1);
    if (!isWildcard && !WORD.test(word)) throw wordInvalid("pattern", pattern, word);
  });
  return words;
}

function split(name: unknown, what: "topic" | "pattern"): string[] {
  if (typeof name !== "string") throw invalid(`a ${what} is not a string but ${typeof name}`);
  // The first test is cheap and keeps a huge name from being measured.
  if (name.length > TOPIC_BYTES_MAX || Buffer.byteLength(name) > TOPIC_BYTES_MAX) {
    throw invalid(`${shown(what, name)} has more than ${TOPIC_BYTES_MAX} bytes`);
  }
  const words = name.split(".");
  if (words.length > TOPIC_WORDS_MAX) {
    throw invalid(`${shown(what, name)} has more than ${TOPIC_WORDS_MAX} words`);
  }
  return words;
}

function wordInvalid(what: "topic" | "pattern", name: unknown, word: string): QWormholeError {
  const named = shown(what, String(name));
  if (word === "") return invalid(`${named} is empty or has an empty word`);
  if (!/[*>]/.test(word)) {
    return invalid(`${named} has whitespace, a control character or a lone surrogate in a word`);
  }
  if (what === "topic") return invalid(`${named} has a wildcard, which only a pattern may have`);
  if (word === ">") return invalid(`${named} has \`>\` before its last word`);
  return invalid(`${named} has a wildcard within a word; it has to stand alone`);
}

function shown(what: string, name: string): string {
  const cut = name.length > SHOWN_LENGTH_MAX ? `${name.slice(0, SHOWN_LENGTH_MAX)}...` : name;
  return `${what} ${JSON.stringify(cut)}`;
}

function invalid(message: string): QWormholeError {
  return new QWormholeError("QW_TOPIC_INVALID", { message });
}

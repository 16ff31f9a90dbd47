/**
 * Fingerprints that two people can compare by voice. Each word has three syllables of a consonant
 * and a vowel, 18 bits; four words are 72 bits, more than anyone can search a twin for.
 */
import { createHash } from "node:crypto";

/** Sixteen consonants and four vowels that sound different in most languages. */
const CONSONANTS = "bdfghjklmnprstvz";
const VOWELS = "aiou";
const SYLLABLES_PER_WORD = 3;
const WORDS = 4;

/** Words for any bytes, such as a CA's public key: `badoki-luzami-...`. */
export function fingerprintWords(bytes: Uint8Array): string {
  const digest = createHash("sha256").update("hearthmesh-words-v1\n").update(bytes).digest();
  let bits = BigInt(`0x${digest.subarray(0, 16).toString("hex")}`);
  const words = Array.from({ length: WORDS }, () => {
    let word = "";
    for (let i = 0; i < SYLLABLES_PER_WORD; i++) {
      word += `${CONSONANTS[Number(bits & 15n)]}${VOWELS[Number((bits >> 4n) & 3n)]}`;
      bits >>= 6n;
    }
    return word;
  });
  return words.join("-");
}

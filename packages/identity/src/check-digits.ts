/**
 * Two check characters over text: a weighted sum modulo the prime 1021. Characters have distinct
 * values and neighbours distinct weights, both below the prime and not zero, so every change of
 * one character and every swap of two neighbours is noticed; anything else with a chance of 1020
 * in 1021.
 */
const PRIME = 1021;
/** 10 is a primitive root of 1021: no weight repeats within 1020 characters. */
const GENERATOR = 10;
const DIGITS = "abcdefghijklmnopqrstuvwxyz234567";

/** Two characters of base32. `text` is ASCII. */
export function checkDigits(text: string): string {
  let sum = 0;
  let weight = 1;
  for (let i = 0; i < text.length; i++) {
    weight = (weight * GENERATOR) % PRIME;
    sum = (sum + text.charCodeAt(i) * weight) % PRIME;
  }
  return `${DIGITS[sum >>> 5]}${DIGITS[sum & 31]}`;
}

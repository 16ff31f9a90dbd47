/** Secrets of invites: 160 random bits, of which the coordinator keeps only a hash. */
import { createHash, timingSafeEqual } from "node:crypto";
import { type Random, toBase32 } from "@hearthmesh/core";

const SECRET_BYTES = 20;

/** 32 characters of base32. */
export function newInviteSecret(random: Random): string {
  return toBase32(random.bytes(SECRET_BYTES));
}

/**
 * Hexadecimal SHA-256. A slow password hash would add nothing: 160 random bits cannot be guessed.
 * Upper and lower case are the same secret.
 */
export function hashInviteSecret(secret: string): string {
  return createHash("sha256").update(secret.toLowerCase(), "utf8").digest("hex");
}

/** Compares in constant time. */
export function inviteSecretMatches(secret: string, secretHash: string): boolean {
  const actual = Buffer.from(hashInviteSecret(secret), "hex");
  const expected = Buffer.from(secretHash, "hex");
  return actual.length === expected.length && timingSafeEqual(actual, expected);
}

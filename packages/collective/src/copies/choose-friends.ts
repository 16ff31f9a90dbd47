/**
 * Which friends keep the copies of a file. Pure.
 *
 * A copy that a friend has stays there while its offer stands. New ones go to the friends that are
 * best for this file by weighted rendezvous hashing, so that every friend gets files in proportion
 * to what it offers, and a new friend does not make everything move.
 */
import { createHash } from "node:crypto";
import type { FileId } from "@hearthmesh/core";
import type { KeptCopy } from "./copy-records.js";
import type { Friend } from "./offer-book.js";
import type { FriendTarget } from "./policy.js";

export interface Choice {
  /** To these a copy is brought. */
  readonly make: readonly Friend[];
  /** From these it is removed when the others have theirs. */
  readonly remove: readonly string[];
  /** Copies that are needed and that nobody can take now. */
  readonly missing: number;
  /** Why, for people; empty when nothing is missing. */
  readonly reason: string;
}

export function chooseFriends(options: {
  fileId: FileId;
  target: FriendTarget;
  friends: readonly Friend[];
  kept: readonly KeptCopy[];
  sealedBytes: number;
}): Choice {
  const { fileId, target, friends, kept, sealedBytes } = options;
  const ranked = [...friends].sort((a, b) => scoreOf(fileId, b) - scoreOf(fileId, a));
  const has = (friend: Friend) => kept.some((copy) => copy.member === friend.trustDomain);
  const staying = ranked.filter((friend) => has(friend) && isStanding(friend));
  const able = ranked.filter((friend) => !has(friend) && canTake(friend, sealedBytes));
  const stay = staying.slice(0, target.wanted);
  const make = able.slice(0, Math.max(0, target.wanted - stay.length));
  const missing = Math.max(0, target.needed - stay.length - make.length);
  const enough = stay.length >= Math.min(target.wanted, target.needed) && missing === 0;
  const staysAt = new Set(stay.map(({ trustDomain }) => trustDomain));
  const others = kept.map(({ member }) => member).filter((member) => !staysAt.has(member));
  return {
    make,
    // What is at a friend that withdrew its offer is better than nothing.
    remove: enough && make.length === 0 ? others : [],
    missing,
    reason: missing === 0 ? "" : whyMissing(friends, has, sealedBytes),
  };
}

/** Friends whose offer holds now, as far as is known. */
function isStanding({ offer }: Friend): boolean {
  return offer === undefined || (!offer.withdrawn && offer.bytes > 0);
}

function canTake(friend: Friend, sealedBytes: number): boolean {
  const { offer, failure } = friend;
  if (offer === undefined || failure !== undefined || !isStanding(friend)) return false;
  return offer.bytes - offer.usedBytes >= sealedBytes;
}

function whyMissing(
  friends: readonly Friend[],
  has: (friend: Friend) => boolean,
  sealedBytes: number,
): string {
  if (friends.length === 0) return "there is no peer";
  const others = friends.filter((friend) => !has(friend));
  if (others.length === 0) return "every peer has one already";
  return others.map((friend) => `${friend.alias} ${whyNot(friend, sealedBytes)}`).join("; ");
}

function whyNot(friend: Friend, sealedBytes: number): string {
  const { offer, failure } = friend;
  if (failure !== undefined) return `cannot be used (${failure})`;
  if (offer === undefined) return "has not said yet what it offers";
  if (offer.withdrawn) return "has withdrawn its offer";
  if (offer.bytes === 0) return "offers no room";
  return offer.bytes - offer.usedBytes < sealedBytes ? "has no room left" : "has one already";
}

/** -w / ln(h), as in `storage/placement.ts`; the weight is what the friend offers. */
function scoreOf(fileId: FileId, { trustDomain, offer }: Friend): number {
  const digest = createHash("sha256").update(`${fileId}\u0000${trustDomain}`).digest();
  const unit = (digest.readUIntBE(0, 6) + 0.5) / 2 ** 48;
  return Math.max(1, offer?.bytes ?? 1) / -Math.log(unit);
}

/**
 * The messages of `route.announce` and `route.digest`. Both are requests with an empty answer.
 *
 * `route.announce`: header `{ v: 1 }`, body for each announcement 4 bytes age in milliseconds,
 * 4 bytes length, and its bytes. `route.digest`: header `{ v: 1, isAnswer }`, body for each node
 * 32 bytes id, 6 epoch, 6 sequence. Numbers are big-endian.
 */
import { decodeMessage, encodeMessage } from "@hearthmesh/core";
import type { AnnouncementNumber } from "./announcement.js";
import type { CarriedAnnouncement } from "./announcement-store.js";
import { ByteReader, ByteWriter, refused } from "./bytes.js";
import { ANNOUNCE_BATCH_BYTES_MAX, ANNOUNCEMENT_BYTES_MAX, ROUTE_NODES_MAX } from "./limits.js";

export const ROUTE_ANNOUNCE = "route.announce";
export const ROUTE_DIGEST = "route.digest";

const AGE_MS_MAX = 0xffff_ffff;
const ITEM_HEAD_BYTES = 8;
const NUMBER_BYTES = 44;
/** What the header and its length take at most. */
const HEADER_BYTES = 256;

/** The request, and how many of the announcements, from the first, it holds; at least one. */
export function encodeAnnounce(announcements: readonly CarriedAnnouncement[]): {
  pieces: Uint8Array[];
  taken: number;
} {
  const writer = new ByteWriter();
  let taken = 0;
  let size = HEADER_BYTES;
  for (const { bytes, ageMs } of announcements.slice(0, ROUTE_NODES_MAX)) {
    size += ITEM_HEAD_BYTES + bytes.length;
    if (size > ANNOUNCE_BATCH_BYTES_MAX) break;
    writer.number(Math.min(ageMs, AGE_MS_MAX), 4).number(bytes.length, 4).raw(bytes);
    taken++;
  }
  return { pieces: encodeMessage({ v: 1 }, writer.finish()), taken };
}

/** Throws `MESH_BAD_REQUEST` or `MESH_PROTOCOL`; the announcements themselves are not read. */
export function decodeAnnounce(bytes: Uint8Array): CarriedAnnouncement[] {
  if (bytes.length > ANNOUNCE_BATCH_BYTES_MAX) throw refused("the batch is too large");
  const { body } = checkedMessage(bytes);
  const reader = new ByteReader(body);
  const announcements: CarriedAnnouncement[] = [];
  while (!reader.isAtEnd) {
    if (announcements.length >= ROUTE_NODES_MAX) throw refused("the batch is too long");
    const ageMs = reader.number(4);
    const length = reader.number(4);
    if (length > ANNOUNCEMENT_BYTES_MAX) throw refused("an announcement is too large");
    announcements.push({ ageMs, bytes: reader.raw(length) });
  }
  return announcements;
}

export function encodeDigest(
  numbers: readonly AnnouncementNumber[],
  isAnswer: boolean,
): Uint8Array[] {
  const writer = new ByteWriter();
  for (const { nodeId, epoch, sequence } of numbers.slice(0, ROUTE_NODES_MAX)) {
    writer.nodeId(nodeId).number(epoch, 6).number(sequence, 6);
  }
  return encodeMessage({ v: 1, isAnswer }, writer.finish());
}

/** Throws `MESH_BAD_REQUEST` or `MESH_PROTOCOL`. */
export function decodeDigest(bytes: Uint8Array): {
  numbers: AnnouncementNumber[];
  isAnswer: boolean;
} {
  if (bytes.length > HEADER_BYTES + ROUTE_NODES_MAX * NUMBER_BYTES) {
    throw refused("the digest is too large");
  }
  const { header, body } = checkedMessage(bytes);
  if (typeof header.isAnswer !== "boolean") throw refused("`isAnswer` is true or false");
  const reader = new ByteReader(body);
  const numbers: AnnouncementNumber[] = [];
  while (!reader.isAtEnd) {
    const nodeId = reader.nodeId();
    numbers.push({ nodeId, epoch: reader.number(6), sequence: reader.number(6) });
  }
  return { numbers, isAnswer: header.isAnswer };
}

function checkedMessage(bytes: Uint8Array): {
  header: { v?: unknown; isAnswer?: unknown };
  body: Uint8Array;
} {
  const message = decodeMessage<{ v?: unknown; isAnswer?: unknown }>(bytes);
  if (message.header.v !== 1) throw refused("the message is of another version");
  return message;
}

/**
 * Branded identifiers. A brand costs nothing at run time and keeps a node id out of a chunk's
 * place. Every `parse*` takes text from outside and throws `MESH_BAD_REQUEST` when it is not of the
 * form.
 */
import { toBase32 } from "./encoding.js";
import { MeshError } from "./errors.js";
import type { Random } from "./random.js";

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** 52 characters of lower-case base32: SHA-256 of the node's public key (SPKI, DER). */
export type NodeId = Branded<"NodeId">;
/** A short name of one operator's trust domain, such as `alice`. */
export type MemberId = Branded<"MemberId">;
/** The trust domain in a SPIFFE id, such as `home.alice`. */
export type TrustDomain = Branded<"TrustDomain">;
/** A person or program: `name@domain`. */
export type GlobalId = Branded<"GlobalId">;
/** 64 hexadecimal digits: BLAKE3 of the chunk's bytes. */
export type ChunkId = Branded<"ChunkId">;
/** 32 hexadecimal digits; time-ordered, so that new rows land beside each other. */
export type FileId = Branded<"FileId">;
/** 10 characters of base32; public, names an invite in lists and logs. */
export type InviteId = Branded<"InviteId">;

const patterns = {
  nodeId: /^[a-z2-7]{52}$/,
  memberId: /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/,
  trustDomain: /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+$/,
  globalId: /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?@[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/,
  chunkId: /^[0-9a-f]{64}$/,
  fileId: /^[0-9a-f]{32}$/,
  inviteId: /^[a-z2-7]{10}$/,
  nodeName: /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
} as const;

function parse<T extends string>(kind: string, pattern: RegExp, example: string) {
  return (text: string): T => {
    if (!pattern.test(text)) {
      throw new MeshError("MESH_BAD_REQUEST", {
        message: `${JSON.stringify(text.slice(0, 80))} is not a valid ${kind}`,
        hint: `A ${kind} looks like ${example}.`,
      });
    }
    return text as T;
  };
}

export const parseNodeId = parse<NodeId>("node id", patterns.nodeId, "52 base32 characters");
export const parseMemberId = parse<MemberId>("member name", patterns.memberId, "alice");
export const parseTrustDomain = parse<TrustDomain>("domain", patterns.trustDomain, "home.alice");
export const parseGlobalId = parse<GlobalId>("identity", patterns.globalId, "carol@office.carol");
export const parseChunkId = parse<ChunkId>("chunk id", patterns.chunkId, "64 hexadecimal digits");
export const parseFileId = parse<FileId>("file id", patterns.fileId, "32 hexadecimal digits");
export const parseInviteId = parse<InviteId>(
  "invite id",
  patterns.inviteId,
  "10 base32 characters",
);
export const parseNodeName = parse<string>("node name", patterns.nodeName, "alice-node-01");

/** A new file id: 48 bits of milliseconds since the epoch, then 80 random bits. */
export function newFileId(nowMs: number, random: Random): FileId {
  const time = Math.floor(nowMs).toString(16).padStart(12, "0").slice(-12);
  return (time + Buffer.from(random.bytes(10)).toString("hex")) as FileId;
}

/** A new invite id: 50 random bits; it is public, so it needs to be unique and not secret. */
export function newInviteId(random: Random): InviteId {
  return toBase32(random.bytes(7)).slice(0, 10) as InviteId;
}

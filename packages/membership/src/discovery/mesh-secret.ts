/**
 * The secret that the nodes of one mesh share, and what is derived from it. It hides LAN beacons
 * from strangers and opens no door: who a node is, its certificate says.
 *
 * The coordinator makes it and may rotate it; each rotation has the next epoch. The key before is
 * kept, so that nodes that have not heard of the rotation still understand the others.
 *
 * Whose word counts. The coordinator's always does. Another node of the member may hand on a newer
 * secret while the coordinator is away; such a secret is `isVouched: false`, its epoch may be
 * ahead by `MESH_SECRET_EPOCHS_AHEAD_MAX`, and the last key that the coordinator vouched for stays
 * beside it for as long as it takes. So a node of the member that lies can at worst keep a node's
 * own beacons from being understood, until the coordinator is asked; it cannot make it deaf, and
 * it wins nothing by it, for links are verified without this secret.
 */
import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import { MeshError, type Random } from "@hearthmesh/core";
import {
  MESH_SECRET_BYTES,
  MESH_SECRET_EPOCHS_AHEAD_MAX,
  MESH_SECRET_TEXT_BYTES_MAX,
} from "./limits.js";

export interface MeshSecretKey {
  /** From 1; a rotation makes it higher by one. */
  readonly epoch: number;
  /** 32 random bytes. */
  readonly bytes: Uint8Array;
}

export interface MeshSecret {
  /** Beacons go out under this one. */
  readonly current: MeshSecretKey;
  /** Beacons are still understood under this one. */
  readonly previous?: MeshSecretKey;
  /** The coordinator itself said so, or made it. */
  readonly isVouched: boolean;
}

/** Where an offered secret comes from, as its link's certificate says. */
export type MeshSecretSource = "coordinator" | "node";

const TITLE = "hearthmesh mesh secret v1";
const SALT = Buffer.from(TITLE, "latin1");

export function newMeshSecret(random: Random): MeshSecret {
  return { current: { epoch: 1, bytes: drawKey(random) }, isVouched: true };
}

/** The next epoch, for the coordinator to keep and hand out. */
export function rotateMeshSecret(secret: MeshSecret, random: Random): MeshSecret {
  const epoch = secret.current.epoch + 1;
  return { current: { epoch, bytes: drawKey(random) }, previous: secret.current, isVouched: true };
}

function drawKey(random: Random): Uint8Array {
  return new Uint8Array(random.bytes(MESH_SECRET_BYTES));
}

/** The keys that beacons are understood under, the one to send under first. */
export function meshSecretKeys(secret: MeshSecret): readonly MeshSecretKey[] {
  return secret.previous === undefined ? [secret.current] : [secret.current, secret.previous];
}

/**
 * 32 bytes for one purpose (HKDF with SHA-256, RFC 5869). Purposes are told apart by their text;
 * `period` makes a key that is replaced with time.
 */
export function deriveMeshKey(key: MeshSecretKey, purpose: string, period?: number): Uint8Array {
  const info = `${purpose}\0${period ?? ""}`;
  return new Uint8Array(hkdfSync("sha256", key.bytes, SALT, Buffer.from(info, "utf8"), 32));
}

/** 22 characters that two nodes compare to see that they hold the same key; it reveals nothing. */
export function meshSecretFingerprint(key: MeshSecretKey): string {
  const mac = createHmac("sha256", deriveMeshKey(key, "fingerprint")).update(String(key.epoch));
  return mac.digest().subarray(0, 16).toString("base64url");
}

/** What a node keeps after it was offered a secret; `have` itself when nothing changes. */
export function mergeMeshSecret(
  have: MeshSecret | undefined,
  offered: Omit<MeshSecret, "isVouched">,
  source: MeshSecretSource,
): MeshSecret {
  if (source === "coordinator") return fromCoordinator(have, offered);
  if (have === undefined) return { ...offered, isVouched: false };
  const aheadBy = offered.current.epoch - have.current.epoch;
  if (aheadBy <= 0 || aheadBy > MESH_SECRET_EPOCHS_AHEAD_MAX) return have;
  // Not what the other says came before: the key that is known to be good stays.
  const kept = have.isVouched ? have.current : (have.previous ?? have.current);
  return { current: offered.current, previous: kept, isVouched: false };
}

function fromCoordinator(
  have: MeshSecret | undefined,
  offered: Omit<MeshSecret, "isVouched">,
): MeshSecret {
  if (have !== undefined && isSameKey(have.current, offered.current)) {
    if (have.isVouched) return have;
    const previous = offered.previous ?? have.previous;
    const kept = previous === undefined ? {} : { previous };
    return { current: have.current, ...kept, isVouched: true };
  }
  const ownOlder = have !== undefined && have.current.epoch < offered.current.epoch;
  const previous = offered.previous ?? (ownOlder ? have?.current : undefined);
  return { current: offered.current, ...(previous ? { previous } : {}), isVouched: true };
}

export function isSameKey(a: MeshSecretKey, b: MeshSecretKey): boolean {
  return a.epoch === b.epoch && timingSafeEqual(a.bytes, b.bytes);
}

/** The same keys in the same order; who vouches for them does not matter here. */
export function isSameSecret(a: MeshSecret, b: MeshSecret): boolean {
  if (a === b) return true;
  if (!isSameKey(a.current, b.current)) return false;
  if (a.previous === undefined || b.previous === undefined) return a.previous === b.previous;
  return isSameKey(a.previous, b.previous);
}

/** The text of the file that keeps it; the file has mode 0600. */
export function formatMeshSecret(secret: MeshSecret): string {
  const keys = meshSecretKeys(secret).map(
    ({ epoch, bytes }) => `${epoch} ${Buffer.from(bytes).toString("base64url")}`,
  );
  return [TITLE, secret.isVouched ? "vouched" : "heard", ...keys, ""].join("\n");
}

/** The reverse of `formatMeshSecret`. Throws `MESH_BAD_REQUEST`; the text is not in the error. */
export function parseMeshSecret(text: string): MeshSecret {
  const lines = text.length > MESH_SECRET_TEXT_BYTES_MAX ? [] : text.trimEnd().split("\n");
  const [title, origin, ...keyLines] = lines;
  const keys = keyLines.map(parseKeyLine);
  const [current, previous] = keys;
  const isKnown = title === TITLE && (origin === "vouched" || origin === "heard");
  if (!isKnown || current === undefined || keys.length > 2) throw unreadable();
  const isVouched = origin === "vouched";
  return previous === undefined ? { current, isVouched } : { current, previous, isVouched };
}

function parseKeyLine(line: string): MeshSecretKey {
  const [, epochText, keyText] = /^([1-9]\d{0,15}) ([A-Za-z0-9_-]{43})$/.exec(line) ?? [];
  const bytes = new Uint8Array(Buffer.from(keyText ?? "", "base64url"));
  const epoch = Number(epochText);
  if (!Number.isSafeInteger(epoch) || bytes.length !== MESH_SECRET_BYTES) throw unreadable();
  return { epoch, bytes };
}

function unreadable(): MeshError {
  return new MeshError("MESH_BAD_REQUEST", {
    message: "the file of the mesh secret cannot be read",
    hint: "Remove it and start the node again: it asks the coordinator for the secret.",
  });
}

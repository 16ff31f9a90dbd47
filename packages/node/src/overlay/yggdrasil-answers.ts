/**
 * What Yggdrasil's daemon answers at its admin socket, read with care: its peers choose some of the
 * words. Fields of 0.4.7 and of 0.5; see https://yggdrasil-network.github.io/admin.html.
 */
import { ADMIN_TEXT_LENGTH_MAX, OVERLAY_PEERS_MAX } from "./limits.js";
import type { OverlayPeer } from "./overlay.js";
import { shownUri } from "./peer-uri.js";
import { isYggdrasilAddress } from "./yggdrasil-key.js";

export interface YggdrasilSelf {
  readonly key: string;
  readonly address: string;
  readonly subnet: string;
  /** Undefined where it does not know: Debian's 0.4 says "unknown". */
  readonly version: string | undefined;
}

/** Of `{ status, response }`. Throws an `Error` that says what is wrong with it. */
export function responseOf(text: string): Record<string, unknown> {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Error("its answer is not JSON");
  }
  const { status, error, response } = recordOf(answer);
  if (status !== "success") throw new Error(`it refused: ${wordsOf(error) || "without a reason"}`);
  return recordOf(response);
}

export function readSelf(response: Record<string, unknown>): YggdrasilSelf {
  const key = keyOf(response.key);
  const address = addressOf(response.address);
  if (key === "" || address === "") throw new Error("it does not say its key and its address");
  const version = wordsOf(response.build_version);
  const isKnown = version !== "" && version !== "unknown";
  return {
    key,
    address,
    subnet: wordsOf(response.subnet),
    version: isKnown ? version : undefined,
  };
}

/** At most `OVERLAY_PEERS_MAX`, those that are connected first. */
export function readPeers(response: Record<string, unknown>): OverlayPeer[] {
  if (!Array.isArray(response.peers)) throw new Error("it does not say its peers");
  const peers = response.peers.map((one) => peerOf(recordOf(one)));
  peers.sort((a, b) => Number(b.up) - Number(a.up));
  return peers.slice(0, OVERLAY_PEERS_MAX);
}

/** 0.4 lists those that are connected alone, and has neither `up` nor `inbound`. */
function peerOf(entry: Record<string, unknown>): OverlayPeer {
  const up = entry.up !== false;
  const reason = wordsOf(entry.last_error);
  return {
    key: keyOf(entry.key),
    address: addressOf(entry.address),
    remote: shownUri(wordsOf(entry.remote)),
    up,
    inbound: typeof entry.inbound === "boolean" ? entry.inbound : null,
    uptimeSeconds: numberOf(entry.uptime),
    bytesIn: numberOf(entry.bytes_recvd),
    bytesOut: numberOf(entry.bytes_sent),
    ...(up || reason === "" ? {} : { reason }),
  };
}

function recordOf(value: unknown): Record<string, unknown> {
  if (value !== null && typeof value === "object" && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new Error("its answer has another form");
}

function keyOf(value: unknown): string {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value) ? value : "";
}

function addressOf(value: unknown): string {
  return typeof value === "string" && isYggdrasilAddress(value) ? value : "";
}

function numberOf(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : 0;
}

/** They would reach terminals and logs. */
function wordsOf(value: unknown): string {
  if (typeof value !== "string") return "";
  return value.slice(0, ADMIN_TEXT_LENGTH_MAX).replace(/[\p{Cc}\p{Cs}]/gu, " ");
}

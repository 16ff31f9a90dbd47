/**
 * Errors on their way over a link. The side that serves throws `asWireError(error)`: the link sends
 * its code and, as details, the JSON of `toErrorRecord`. The side that called turns what its link
 * threw into a `MeshError` again with `fromWireError`. Anything that is not a `MeshError` leaves
 * the machine as `MESH_INTERNAL` without its text.
 */
import {
  ERROR_REGISTRY,
  type ErrorCode,
  fromErrorRecord,
  isMeshError,
  MeshError,
  toErrorRecord,
} from "./errors.js";

/** Details longer than this are not looked at: no record that we send comes near. */
const WIRE_DETAILS_BYTES_MAX = 64 * 1024;

/** What a link's request handler throws so that the caller gets the whole error record. */
export class WireError extends Error {
  override readonly name = "WireError";
  readonly code: ErrorCode;
  /** UTF-8 JSON of an `ErrorRecord`. */
  readonly wireDetails: Uint8Array;

  constructor(error: unknown) {
    const record = toErrorRecord(error);
    super(record.message, { cause: error });
    this.code = record.code;
    this.wireDetails = Buffer.from(JSON.stringify(record), "utf8");
  }
}

export function asWireError(error: unknown): WireError {
  return error instanceof WireError ? error : new WireError(error);
}

/** Resets a stream (`LinkStream.reset`) so that the peer's `fromWireError` finds the same error. */
export function resetWith(
  stream: { reset(code: string, message: string, details?: Uint8Array): void },
  error: unknown,
): void {
  const wire = asWireError(error);
  stream.reset(wire.code, wire.message, wire.wireDetails);
}

/** The link's own failures in our words; one that is not listed is `MESH_UNREACHABLE`. */
const LINK_CODES: ReadonlyMap<unknown, ErrorCode> = new Map<unknown, ErrorCode>([
  ["QW_DIAL_TIMEOUT", "MESH_TIMEOUT"],
  ["QW_HANDSHAKE_TIMEOUT", "MESH_TIMEOUT"],
  ["QW_REQUEST_TIMEOUT", "MESH_TIMEOUT"],
  ["QW_CANCELLED", "MESH_CANCELLED"],
  ["ABORT_ERR", "MESH_CANCELLED"],
  ["QW_TLS_FAILED", "MESH_CERT_UNTRUSTED"],
  ["QW_SIGNATURE_INVALID", "MESH_CERT_UNTRUSTED"],
  ["QW_KEY_MISMATCH", "MESH_CERT_UNTRUSTED"],
  ["QW_UNEXPECTED_PEER", "MESH_CERT_UNTRUSTED"],
  ["QW_PEER_REFUSED", "MESH_CERT_UNTRUSTED"],
  ["QW_REFUSED_BY_PEER", "MESH_CERT_UNTRUSTED"],
  ["QW_NOT_A_LINK", "MESH_PROTOCOL"],
  ["QW_HANDSHAKE_INVALID", "MESH_PROTOCOL"],
  ["QW_VERSION_UNSUPPORTED", "MESH_PROTOCOL"],
  ["QW_PROTOCOL_MISMATCH", "MESH_PROTOCOL"],
  ["QW_FRAME_TOO_LARGE", "MESH_PROTOCOL"],
  ["QW_FRAME_INVALID", "MESH_PROTOCOL"],
  ["QW_WINDOW_VIOLATED", "MESH_PROTOCOL"],
  ["QW_MESSAGE_TOO_LARGE", "MESH_PROTOCOL"],
  ["QW_NO_HANDLER", "MESH_PROTOCOL"],
  ["QW_HANDLER_FAILED", "MESH_INTERNAL"],
  ["QW_QUEUE_FULL", "MESH_LIMIT"],
  ["QW_REQUEST_LIMIT", "MESH_LIMIT"],
  ["QW_STREAM_LIMIT", "MESH_LIMIT"],
  ["QW_CONNECTIONS_LIMIT", "MESH_LIMIT"],
]);

/** What is looked at in an error of a link; nothing of it is certain. */
interface LinkFailure {
  name?: unknown;
  code?: unknown;
  remoteCode?: unknown;
  remoteDetails?: unknown;
}

/**
 * The reverse of `asWireError`, for anything that a link threw: the peer's own error, or the link's
 * failure in our words. A `MeshError` passes through; an unknown error becomes `MESH_UNREACHABLE`
 * with the original as its cause. The details come from the peer and are only ever shown.
 */
export function fromWireError(error: unknown): MeshError {
  if (isMeshError(error)) return error;
  const link = (error ?? {}) as LinkFailure;
  const message = error instanceof Error ? error.message : String(error);
  if (typeof link.remoteCode === "string") {
    const details = link.remoteDetails instanceof Uint8Array ? link.remoteDetails : undefined;
    return fromRemote(link.remoteCode, message, details, error);
  }
  const code = link.name === "AbortError" ? "MESH_CANCELLED" : LINK_CODES.get(link.code);
  return new MeshError(code ?? "MESH_UNREACHABLE", { message, cause: error });
}

function fromRemote(
  remoteCode: string,
  message: string,
  details: Uint8Array | undefined,
  cause: unknown,
): MeshError {
  if (details !== undefined && details.length <= WIRE_DETAILS_BYTES_MAX) {
    try {
      return fromErrorRecord(JSON.parse(Buffer.from(details).toString("utf8")));
    } catch {
      // The details are not ours; the code alone still says something.
    }
  }
  // A link also refuses in its own words, such as when no handler serves the method.
  const linkCode = LINK_CODES.get(remoteCode);
  if (linkCode !== undefined) return new MeshError(linkCode, { message, cause });
  if (Object.hasOwn(ERROR_REGISTRY, remoteCode)) {
    return new MeshError(remoteCode as ErrorCode, { message, cause });
  }
  return new MeshError("MESH_PROTOCOL", {
    message: `the other side answered with the unknown error ${JSON.stringify(remoteCode)}`,
    cause,
  });
}

/**
 * Errors on their way over a link. The side that serves throws `asWireError(error)`: the link sends
 * its code and, as details, the JSON of `toErrorRecord`. The side that called turns what its link
 * threw into a `MeshError` again with `fromWireError`. Anything that is not a `MeshError` leaves the
 * machine as `MESH_INTERNAL` without its text.
 */
import {
  ERROR_REGISTRY,
  type ErrorCode,
  fromErrorRecord,
  isMeshError,
  MeshError,
  toErrorRecord,
} from "@hearthmesh/core";

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

/** The link's own failures, by its error code; every other one is `MESH_UNREACHABLE`. */
const LINK_CODES: readonly (readonly [RegExp, ErrorCode])[] = [
  [/TIMEOUT|DEADLINE/, "MESH_TIMEOUT"],
  [/CANCEL|ABORT/, "MESH_CANCELLED"],
  [/PROTOCOL|FRAME|VERSION|HANDSHAKE|TOO_LARGE/, "MESH_PROTOCOL"],
  [/LIMIT|OVERFLOW|QUEUE/, "MESH_LIMIT"],
];

/** What is looked at in an error of a link; nothing of it is certain. */
interface LinkFailure {
  name?: unknown;
  code?: unknown;
  remoteCode?: unknown;
  remoteDetails?: unknown;
  wireDetails?: unknown;
  details?: unknown;
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
    return fromRemote(link.remoteCode, message, remoteDetails(link), error);
  }
  const code = typeof link.code === "string" ? link.code : "";
  if (link.name === "AbortError" || code === "ABORT_ERR") {
    return new MeshError("MESH_CANCELLED", { cause: error });
  }
  const known = LINK_CODES.find(([pattern]) => pattern.test(code));
  return new MeshError(known?.[1] ?? "MESH_UNREACHABLE", { message, cause: error });
}

function remoteDetails(link: LinkFailure): Uint8Array | undefined {
  const candidates = [link.remoteDetails, link.wireDetails, link.details];
  return candidates.find((item): item is Uint8Array => item instanceof Uint8Array);
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
  if (Object.hasOwn(ERROR_REGISTRY, remoteCode)) {
    return new MeshError(remoteCode as ErrorCode, { message, cause });
  }
  return new MeshError("MESH_PROTOCOL", {
    message: `the other side answered with the unknown error ${JSON.stringify(remoteCode)}`,
    cause,
  });
}

/**
 * What a failed call means. Pure: a status of gRPC goes in, a verdict comes out.
 *
 * Every failure is one of:
 * - `refused`: the server looked at the call and refused it; nothing happened. `error` tells why.
 * - `notDone`: nothing happened, and another try may succeed.
 * - `unknown`: the answer is lost; the call may have been carried out or not.
 *
 * The texts are those of etcd's `rpctypes`; they are part of its interface, because its own client
 * tells errors apart by them.
 */
import { type ErrorCode, MeshError } from "@hearthmesh/core";

/** Status codes of gRPC (https://grpc.github.io/grpc/core/md_doc_statuscodes.html). */
export const GRPC = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

/** A call that was not answered with a message. */
export class RpcFailure extends Error {
  override readonly name = "RpcFailure";
  readonly code: number;
  readonly details: string;
  /** False when not a byte of the call can have reached the server. */
  readonly sent: boolean;

  constructor(code: number, details: string, sent = true) {
    // The library ends some sentences with a note that is empty.
    const words = details.replace(/\s*Resolution note:\s*$/, "");
    super(words === "" ? `gRPC status ${code}` : words);
    this.code = code;
    this.details = details;
    this.sent = sent;
  }
}

export interface Verdict {
  readonly kind: "refused" | "notDone" | "unknown";
  /** What to throw; for `notDone` and `unknown` when there is no further try. */
  readonly error: MeshError;
  /** The endpoint is of no use now; another one should be asked. */
  readonly leave: boolean;
  /** The token has expired: log in again. */
  readonly login: boolean;
}

type Rule = readonly [text: string, kind: Verdict["kind"], code: ErrorCode, also?: "leave"];

/** The first text that the details hold decides. */
const RULES: readonly Rule[] = [
  ["required revision has been compacted", "refused", "MESH_STORE_COMPACTED"],
  ["required revision is a future revision", "refused", "MESH_STORE_FUTURE_REVISION"],
  ["database space exceeded", "refused", "MESH_STORE_NO_SPACE"],
  ["requested lease not found", "refused", "MESH_STORE_LEASE_UNKNOWN"],
  ["too large lease TTL", "refused", "MESH_BAD_REQUEST"],
  ["too many operations in txn request", "refused", "MESH_STORE_TXN_TOO_LARGE"],
  ["request is too large", "refused", "MESH_STORE_TXN_TOO_LARGE"],
  ["received message larger than max", "refused", "MESH_STORE_TXN_TOO_LARGE"],
  ["too many requests", "refused", "MESH_STORE_BUSY"],
  ["etcdserver: corrupt", "refused", "MESH_STORE_CORRUPT"],
  ["permission denied", "refused", "MESH_FORBIDDEN"],
  ["authentication failed", "refused", "MESH_UNAUTHENTICATED"],
  ["user name is empty", "refused", "MESH_UNAUTHENTICATED"],
  ["user name not found", "refused", "MESH_UNAUTHENTICATED"],
  ["member not found", "refused", "MESH_NOT_FOUND"],
  ["can only promote a learner member which is in sync", "refused", "MESH_STORE_BUSY"],
  ["can only promote a learner member", "refused", "MESH_BAD_REQUEST"],
  ["too many learner members", "refused", "MESH_LIMIT"],
  ["Peer URLs already exists", "refused", "MESH_BAD_REQUEST"],
  ["member ID already exist", "refused", "MESH_BAD_REQUEST"],
  ["given member URLs are invalid", "refused", "MESH_BAD_REQUEST"],
  ["not started members", "refused", "MESH_STORE_UNAVAILABLE"],
  ["not enough started members", "refused", "MESH_STORE_UNAVAILABLE"],
  ["unhealthy cluster", "refused", "MESH_STORE_UNAVAILABLE"],
  ["bad leader transferee", "refused", "MESH_BAD_REQUEST"],
  ["not leader", "notDone", "MESH_STORE_UNAVAILABLE", "leave"],
  ["rpc not supported for learner", "notDone", "MESH_STORE_UNAVAILABLE", "leave"],
  ["etcdserver: no leader", "notDone", "MESH_STORE_UNAVAILABLE", "leave"],
  ["No connection established", "notDone", "MESH_STORE_UNAVAILABLE", "leave"],
  ["Name resolution failed", "notDone", "MESH_STORE_UNAVAILABLE", "leave"],
];

const LOGIN_TEXTS = ["invalid auth token", "revision in header is old"] as const;

function isMostlyStatus(code: number): boolean {
  return code === GRPC.invalidArgument || code === GRPC.notFound || code === GRPC.outOfRange;
}

/** Judges a failure of one call; `what` names the call in messages. */
export function judge(failure: RpcFailure): Verdict {
  const { code, details } = failure;
  const because = (errorCode: ErrorCode) =>
    new MeshError(errorCode, { details: { etcd: details }, cause: failure });
  if (LOGIN_TEXTS.some((text) => details.includes(text))) {
    const error = because("MESH_UNAUTHENTICATED");
    return { kind: "notDone", error, leave: false, login: true };
  }
  for (const [text, kind, errorCode, also] of RULES) {
    if (!details.includes(text)) continue;
    return { kind, error: because(errorCode), leave: also === "leave", login: false };
  }
  if (!failure.sent) {
    return { kind: "notDone", error: unavailable(failure), leave: true, login: false };
  }
  if (code === GRPC.unimplemented) {
    return { kind: "refused", error: because("MESH_PROTOCOL"), leave: false, login: false };
  }
  if (code === GRPC.dataLoss) {
    return { kind: "refused", error: because("MESH_STORE_CORRUPT"), leave: false, login: false };
  }
  if (code === GRPC.unauthenticated || code === GRPC.permissionDenied) {
    const errorCode = code === GRPC.unauthenticated ? "MESH_UNAUTHENTICATED" : "MESH_FORBIDDEN";
    return { kind: "refused", error: because(errorCode), leave: false, login: false };
  }
  if (isMostlyStatus(code) || code === GRPC.failedPrecondition) {
    const error = new MeshError("MESH_BAD_REQUEST", {
      message: `etcd refused the request: ${details}`,
      details: { etcd: details },
      cause: failure,
    });
    return { kind: "refused", error, leave: false, login: false };
  }
  // Whatever else there is (timeouts, a broken connection, a leader that was lost): not known.
  return { kind: "unknown", error: unavailable(failure), leave: true, login: false };
}

export function unavailable(failure: RpcFailure): MeshError {
  return new MeshError("MESH_STORE_UNAVAILABLE", {
    message: `the store does not answer: ${failure.message}`,
    cause: failure,
  });
}

/** The write was sent and its answer is lost. */
export function resultUnknown(failure: RpcFailure): MeshError {
  return new MeshError("MESH_STORE_RESULT_UNKNOWN", { cause: failure });
}

/** Errors of calls that go to a peer: which of them another way may not have, and their words. */
import { asUnsent, type ErrorCode, isMeshError, isUnsent, MeshError } from "@hearthmesh/core";

/** Of the way, and not of what was asked. */
const WAY_CODES: readonly ErrorCode[] = [
  "MESH_UNREACHABLE",
  "MESH_TIMEOUT",
  "MESH_STOPPING",
  "MESH_UNAUTHENTICATED",
  "MESH_CERT_UNTRUSTED",
  "MESH_CERT_INVALID",
  "MESH_CERT_EXPIRED",
  "MESH_CHUNK_UNAVAILABLE",
  "MESH_NO_STORAGE",
];
const AWAY: readonly ErrorCode[] = ["MESH_UNREACHABLE", "MESH_TIMEOUT", "MESH_STOPPING"];

/** Nobody answers now; it may pass. */
export function isAway(error: unknown): boolean {
  return isMeshError(error) && AWAY.includes(error.code);
}

/** Errors that tell by themselves whose they are. */
const TELL_WHOSE: readonly ErrorCode[] = ["MESH_QUOTA", "MESH_PEER_UNKNOWN", "MESH_CANCELLED"];

/** Whether another way to the same peer may do better. */
export function isWayFailure(error: unknown): error is MeshError {
  return isMeshError(error) && WAY_CODES.includes(error.code);
}

/** The way that failed, and with what. */
export interface WayFailure {
  readonly way: string;
  readonly error: MeshError;
}

/** What came from a way, as an error: something else than one is an answer of no form. */
export function errorOf(error: unknown): MeshError {
  if (isMeshError(error)) return error;
  const { name } = (error ?? {}) as { name?: unknown };
  if (name === "AbortError") return new MeshError("MESH_CANCELLED", { cause: error });
  return new MeshError("MESH_PROTOCOL", {
    message: "it answered in a way that cannot be understood",
    cause: error,
  });
}

/** The same error with the name of the member before it, once. */
export function named(peer: string, thrown: unknown): MeshError {
  const error = errorOf(thrown);
  if (TELL_WHOSE.includes(error.code) || error.message.startsWith(`${peer}: `)) return error;
  const { code, message, hint } = error;
  const details = { ...error.details, peer };
  const told = new MeshError(code, { message: `${peer}: ${message}`, hint, details, cause: error });
  return isUnsent(error) ? asUnsent(told) : told;
}

/** No way led to an answer. Distrust tells a person more than an absence. */
export function allFailed(peer: string, failures: readonly WayFailure[]): MeshError {
  const [first] = failures;
  const telling = failures.find(({ error }) => !isAway(error)) ?? first;
  if (telling === undefined) {
    return new MeshError("MESH_UNREACHABLE", {
      message: `${peer}: no address of it is known`,
      details: { peer },
    });
  }
  const ways = failures.map(({ way, error }) => `${way}: ${plain(peer, error.message)}`);
  const away = isAway(telling.error);
  const error = new MeshError(telling.error.code, {
    message: `${peer}: ${away ? "it cannot be reached" : "no way led there"} (${ways.join("; ")})`,
    hint: away
      ? `Check that ${peer} runs, and that its ports can be reached from here.`
      : telling.error.hint,
    details: { peer, ways: failures.map(({ way, error: { code } }) => ({ way, code })) },
    cause: telling.error,
  });
  return failures.every((one) => isUnsent(one.error)) ? asUnsent(error) : error;
}

/** A change that broke off, so that whoever asked knows whether to look before trying again. */
export function brokeOff(peer: string, what: string, error: MeshError): MeshError {
  const undone = isUnsent(error);
  return new MeshError(error.code, {
    message: undone
      ? `${peer}: ${what} broke off, and nothing of it is there (${plain(peer, error.message)})`
      : `${peer}: ${what} broke off before the answer came (${plain(peer, error.message)})`,
    hint: undone
      ? "It can be done again."
      : "Whether it was done is not known: look with `mesh stat` before doing it again.",
    details: { ...error.details, peer, undone },
    cause: error,
  });
}

function plain(peer: string, message: string): string {
  return message.startsWith(`${peer}: `) ? message.slice(peer.length + 2) : message;
}

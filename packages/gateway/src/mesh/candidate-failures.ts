/** Why nobody served a request, as one error for the caller. */
import { MeshError } from "@hearthmesh/core";
import type { ServiceCandidate } from "@hearthmesh/membership";

export interface CandidateFailure {
  readonly candidate: ServiceCandidate;
  readonly reason: MeshError;
}

/** Those that speak HTTP. */
export function forHttp(candidates: ServiceCandidate[], target: string): ServiceCandidate[] {
  const [only] = candidates;
  if (candidates.length === 1 && only?.protocol === "http") return candidates;
  const able = candidates.filter(({ protocol }) => protocol === "http");
  if (able.length > 0) return able;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `${JSON.stringify(target)} is a TCP service: it does not speak HTTP`,
    hint: "`mesh forward <service> <localPort>` gives it a port on this machine.",
  });
}

/** One error for the caller, with what each candidate said. */
export function failureOf(failures: readonly CandidateFailure[]): MeshError {
  const told = failures.map(({ candidate, reason }) => ({
    node: candidate.nodeName,
    service: candidate.service,
    code: reason.code,
    reason: reason.message,
  }));
  const details = { candidates: told };
  const last = failures.at(-1)?.reason;
  const kept = last !== undefined && SHOWN_AS_THEY_ARE.has(last.code);
  const message = told
    .map(({ node, service, reason }) => `${service} on ${node}: ${reason}`)
    .join("; ");
  if (kept) {
    return new MeshError(last.code, { message, hint: last.hint, details, cause: last });
  }
  return new MeshError("MESH_SERVICE_UNAVAILABLE", {
    ...(message === "" ? {} : { message }),
    details,
    ...(last === undefined ? {} : { cause: last }),
  });
}

const SHOWN_AS_THEY_ARE: ReadonlySet<string> = new Set([
  "MESH_TIMEOUT",
  "MESH_PROTOCOL",
  "MESH_LIMIT",
  "MESH_BODY_TOO_LARGE",
  "MESH_CANCELLED",
]);

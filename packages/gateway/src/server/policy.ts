/**
 * Who may call a route. Every route names one policy; the server refuses to start with a route that
 * has none. What a caller may do with a *path* is decided by the coordinator from its grants.
 */
import { MeshError } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";

/**
 * - `public`: anybody who reaches the door; the handler learns nothing about the caller.
 * - `enrolled`: anybody with a valid certificate of this member, and the operator.
 * - `operator`: the operator, who is at the loopback door or holds the coordinator's certificate.
 * - `self`: whoever proved a key on this very connection, acting on itself alone.
 */
export type Policy = "public" | "enrolled" | "operator" | "self";

export const POLICIES: readonly Policy[] = ["public", "enrolled", "operator", "self"];

export interface Caller {
  readonly principal: Principal;
  /** The certificate was proved on this connection; false at the loopback door. */
  readonly proved: boolean;
  readonly operator: boolean;
}

/** Throws `MESH_UNAUTHENTICATED` or `MESH_FORBIDDEN` unless the policy lets the caller in. */
export function authorize(policy: Policy, caller: Caller | undefined): void {
  if (policy === "public") return;
  if (caller === undefined) throw new MeshError("MESH_UNAUTHENTICATED");
  if (policy === "operator" && !caller.operator) {
    throw new MeshError("MESH_FORBIDDEN", {
      message: "only the operator may do this",
      hint:
        "Use the loopback address on the coordinator's machine, " +
        "or the coordinator's certificate.",
    });
  }
  if (policy === "self" && !caller.proved) {
    throw new MeshError("MESH_FORBIDDEN", {
      message: "this needs the caller's own certificate",
      hint: "Use the mutual TLS port (8001 by default).",
    });
  }
}

/**
 * Who may call a route. Every route names one policy; the server refuses to start with a route that
 * has none. What a caller may do with a *path* is decided by the coordinator from its grants.
 */
import type { ApiKeyAiLimits, ApiKeyScope } from "@hearthmesh/collective";
import { MeshError } from "@hearthmesh/core";
import { isForeign, type Principal } from "@hearthmesh/identity";

/**
 * - `public`: anybody who reaches the door; the handler learns nothing about the caller.
 * - `mesh-read`: enrolled nodes and people, the operator, and API keys with the scope `read`.
 * - `mesh-register`: the operator, and API keys with the scope `register`.
 * - `services`: enrolled nodes, the operator, and API keys with the scope `services`.
 * - `ai`: enrolled nodes, the operator, and API keys with the scope `ai`.
 * - `enrolled`: anybody with a valid certificate of this member, and the operator.
 * - `files`: the same, and anybody of a peer; what a path allows is decided by the grants.
 * - `peer`: the coordinator of a peer, and nobody of this member.
 * - `operator`: the operator: at the loopback door, with the coordinator's certificate, or with an
 *   API key of the scope `admin`.
 * - `self`: whoever proved a key on this very connection, acting on itself alone.
 */
export type Policy =
  | "public"
  | "mesh-read"
  | "mesh-register"
  | "services"
  | "ai"
  | "enrolled"
  | "files"
  | "peer"
  | "operator"
  | "self";

export const POLICIES: readonly Policy[] = [
  "public",
  "mesh-read",
  "mesh-register",
  "services",
  "ai",
  "enrolled",
  "files",
  "peer",
  "operator",
  "self",
];

/**
 * Whom a policy lets in by what their certificate says they are. Nobody else: a kind that is not
 * named here, such as everybody of a peer, gets in nowhere by being forgotten.
 */
const KINDS: Partial<Record<Policy, readonly Principal["kind"][]>> = {
  "mesh-read": ["coordinator", "node", "person"],
  services: ["coordinator", "node"],
  ai: ["coordinator", "node"],
  enrolled: ["coordinator", "node", "person"],
  files: ["coordinator", "node", "person", "foreign"],
  self: ["coordinator", "node", "person"],
};

export interface Caller {
  /** Of the certificate; for an API key the operator's, who made it. May be of another member. */
  readonly principal: Principal;
  /** The certificate was proved on this connection; false at the loopback door. */
  readonly proved: boolean;
  /** May do everything: never true for a key without the scope `admin`. */
  readonly operator: boolean;
  /** Set when an API key was presented. */
  readonly keyId?: string;
  /** Of an API key or of an introduced node: then these alone count. */
  readonly scopes?: readonly ApiKeyScope[];
  /** Of an API key. */
  readonly ai?: ApiKeyAiLimits;
}

/** The scope of an API key that a policy asks for; other policies need `admin`. */
const SCOPES: Partial<Record<Policy, ApiKeyScope>> = {
  "mesh-read": "read",
  "mesh-register": "register",
  services: "services",
  ai: "ai",
};

/**
 * Throws `MESH_UNAUTHENTICATED`, `MESH_FORBIDDEN` or `MESH_KEY_SCOPE` unless the policy lets the
 * caller in.
 */
export function authorize(policy: Policy, caller: Caller | undefined): void {
  if (policy === "public") return;
  if (caller === undefined) throw new MeshError("MESH_UNAUTHENTICATED");
  if (policy === "self") {
    requireProof(caller);
    requireKind(policy, caller.principal);
  } else if (policy === "peer") {
    requirePeer(caller.principal);
  } else if (caller.operator) return;
  else if (caller.scopes !== undefined) requireScope(policy, caller.scopes);
  else requireKind(policy, caller.principal);
}

function requireKind(policy: Policy, { kind }: Principal): void {
  if (KINDS[policy]?.includes(kind) === true) return;
  if (kind === "foreign") {
    throw new MeshError("MESH_FORBIDDEN", {
      message: "only people and nodes of this member may do this",
    });
  }
  throw new MeshError("MESH_FORBIDDEN", {
    message: isForNodes(policy) ? "only nodes may do this" : "only the operator may do this",
    hint:
      policy === "ai"
        ? "Ask the operator for an API key: `mesh key create --ai`."
        : "Use the loopback address on the coordinator's machine, " +
          "or the coordinator's certificate.",
  });
}

function isForNodes(policy: Policy): boolean {
  return policy === "services" || policy === "ai";
}

function requirePeer(principal: Principal): void {
  if (isForeign(principal) && principal.foreignKind === "coordinator") return;
  throw new MeshError("MESH_FORBIDDEN", {
    message: "only the coordinator of a peer speaks to this member in this way",
  });
}

function requireScope(policy: Policy, scopes: readonly ApiKeyScope[]): void {
  const wanted = SCOPES[policy];
  if (wanted !== undefined && scopes.includes(wanted)) return;
  const allowed = wanted === undefined ? "admin" : `${wanted} or admin`;
  throw new MeshError("MESH_KEY_SCOPE", {
    message: `this needs the scope ${allowed}, and the caller has ${scopes.join(", ") || "none"}`,
    hint: `Make one: \`mesh key create --scope ${wanted ?? "admin"}\`.`,
  });
}

function requireProof(caller: Caller): void {
  if (caller.proved) return;
  throw new MeshError("MESH_FORBIDDEN", {
    message: "this needs the caller's own certificate",
    hint: "Use the mutual TLS port (8001 by default).",
  });
}

/**
 * The methods that the coordinator serves, each with its policy. A method that is not in the table
 * does not exist: a new one cannot be served by forgetting to protect it.
 */
import { MeshError, type NodeId } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { Peer } from "@hearthmesh/qwormhole";
import type { Access } from "./access.js";
import type { Fields } from "./fields.js";

/**
 * - `machine`: nodes and coordinators, speaking for themselves over their own link.
 * - `enrolled`: anybody with a certificate; what a path allows is decided by the grants.
 * - `operator`: whoever holds the coordinator's certificate: this member's operator.
 */
export type MethodPolicy = "machine" | "enrolled" | "operator";

export interface Caller {
  readonly principal: Principal;
  /** Who presents the tickets that the call gives: the key of the link to the storage nodes. */
  readonly holder: NodeId;
  /** Undefined for calls within the process. */
  readonly peer: Peer | undefined;
}

export interface Call extends Caller {
  readonly access: Access;
  readonly fields: Fields;
  readonly body: Uint8Array;
}

export interface Answer {
  readonly header: object;
  readonly body?: Uint8Array | undefined;
}

export interface MethodDefinition {
  readonly policy: MethodPolicy;
  serve(call: Call): Promise<Answer>;
}

export type MethodTable = Readonly<Record<string, MethodDefinition>>;

export function findMethod(table: MethodTable, method: string): MethodDefinition {
  const definition = Object.hasOwn(table, method) ? table[method] : undefined;
  if (definition !== undefined) return definition;
  throw new MeshError("MESH_FORBIDDEN", {
    message: `the coordinator does not serve ${JSON.stringify(method.slice(0, 80))}`,
    hint: "Check that both sides run versions that fit.",
  });
}

/** Throws `MESH_FORBIDDEN` unless the policy lets the caller in. */
export function checkPolicy(policy: MethodPolicy, caller: Caller): void {
  if (policy === "enrolled") return;
  const { kind, nodeId } = caller.principal;
  if (policy === "operator") {
    if (kind === "coordinator") return;
    throw new MeshError("MESH_FORBIDDEN", { message: "only the operator may do this" });
  }
  const isMachine = kind === "node" || kind === "coordinator";
  if (isMachine && caller.peer !== undefined && caller.peer.nodeId === nodeId) return;
  throw new MeshError("MESH_FORBIDDEN", {
    message: "only a node may do this, for itself and over its own link",
  });
}

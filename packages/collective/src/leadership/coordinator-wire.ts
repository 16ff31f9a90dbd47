/**
 * `coordinator.*`: what coordinators of one member say to each other over links. Nobody else is
 * served: whoever may call it speaks for others and learns everything.
 *
 * - `coordinator.call`: a method of the coordinator that leads, for a caller that came to another.
 * Header `ForwardedCall`, body that of the method; answered with header and body of the method. -
 * `coordinator.view`: what the leader knows of nodes, layout and upkeep. Answered with the JSON of
 * `CoordinatorView` in the body. - `coordinator.remove`: takes a node out of the layout. Header
 * `{node}`; answered with `{info}`.
 */
import { MeshError, type NodeId, parseNodeId } from "@hearthmesh/core";
import type { Principal, PrincipalKind } from "@hearthmesh/identity";
import type { Peer } from "@hearthmesh/qwormhole";
import type { CoordinatorStatus } from "../coordinator/coordinator-options.js";
import { Fields } from "../coordinator/fields.js";
import type { Layout, NodeInfo } from "../types.js";

export const COORDINATOR_CALL = "coordinator.call";
export const COORDINATOR_VIEW = "coordinator.view";
export const COORDINATOR_REMOVE = "coordinator.remove";

export interface ForwardedCall {
  readonly principal: Principal;
  readonly method: string;
  readonly header: object;
  /** Who presents the tickets of the answer. */
  readonly holder: NodeId;
}

export interface CoordinatorView {
  readonly nodes: readonly NodeInfo[];
  readonly layout: Layout;
  readonly status: CoordinatorStatus;
  readonly operations: Record<string, number>;
}

/** Throws `MESH_FORBIDDEN` unless the peer is a coordinator of this member. */
export function requireCoordinator(peer: Peer, trustDomain: string): void {
  const principal = peer.identity as Partial<Principal> | null | undefined;
  if (principal?.kind === "coordinator" && principal.trustDomain === trustDomain) return;
  throw new MeshError("MESH_FORBIDDEN", {
    message: "only the coordinators of this member speak to each other in this way",
  });
}

const KINDS: readonly PrincipalKind[] = ["coordinator", "node", "person"];

/** `MESH_BAD_REQUEST` when a field has not its form; who the principal is, is checked later. */
export function readForwardedCall(header: object): ForwardedCall {
  const fields = new Fields(COORDINATOR_CALL, header);
  const who = fields.object("principal");
  const inner = fields.raw("header");
  if (who === undefined) throw fields.bad("principal");
  if (inner === null || typeof inner !== "object") throw fields.bad("header");
  return {
    principal: {
      ...readKind(who),
      spiffeId: who.text("spiffeId", 1024),
      trustDomain: who.text("trustDomain", 256) as Principal["trustDomain"],
      name: who.text("name", 512),
      nodeId: parseNodeId(who.text("nodeId", 128)),
      serial: who.text("serial", 128),
      notAfterMs: who.integer("notAfterMs"),
    },
    method: fields.text("method", 64),
    header: inner,
    holder: parseNodeId(fields.text("holder", 128)),
  };
}

/** Somebody of another member also says what it is there. */
function readKind(who: Fields): Pick<Principal, "kind" | "foreignKind"> {
  const kindOf = (name: string) => {
    const text = who.text(name, 16);
    const kind = KINDS.find((one) => one === text);
    if (kind === undefined) throw who.bad(name);
    return kind;
  };
  if (who.text("kind", 16) !== "foreign") return { kind: kindOf("kind") };
  return { kind: "foreign", foreignKind: kindOf("foreignKind") };
}

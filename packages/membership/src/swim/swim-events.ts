/** What a `SwimMachine` is told, and what it wants done. */
import type { NodeId } from "@hearthmesh/core";
import type { Claim, SwimMessage } from "./messages.js";
import type { MemberChange } from "./view.js";

export type SwimEvent =
  /** Addresses to begin with: from a snapshot, a configuration, a beacon. */
  | { readonly type: "join"; readonly addresses: readonly string[] }
  /** A datagram whose sender was verified. */
  | { readonly type: "message"; readonly address: string; readonly message: SwimMessage }
  /** A whole view, or a part of one; `from` is who gave it, as the link verified. */
  | { readonly type: "view"; readonly claims: readonly Claim[]; readonly from?: NodeId }
  | { readonly type: "wake" }
  /** A connection to the node broke: probe it now. */
  | { readonly type: "connection-lost"; readonly nodeId: NodeId }
  /**
   * The machine of the node says itself that nothing listens any more where the node's links were:
   * its process is gone. A process that stands still would be connected to all the same.
   */
  | { readonly type: "process-gone"; readonly nodeId: NodeId }
  | { readonly type: "update"; readonly address?: string; readonly meta?: Uint8Array }
  /** The node was removed by the operator, or revoked: gone at once, and its word is refused. */
  | { readonly type: "forget"; readonly nodeId: NodeId }
  /** The operator took it in again: the reverse of `forget`. */
  | { readonly type: "readmit"; readonly nodeId: NodeId }
  | { readonly type: "leave" };

export type SwimEffect =
  /** `address` is where `to` was heard, or its record's; whoever else is there must not get it. */
  | {
      readonly type: "send";
      readonly to: NodeId;
      readonly address: string;
      readonly message: SwimMessage;
    }
  /**
   * Give `claimsFor(to)` to the node, and what it answers back as `view`. `to` is undefined for an
   * address from the beginning.
   */
  | { readonly type: "exchange"; readonly to: NodeId | undefined; readonly address: string }
  | ({ readonly type: "change" } & MemberChange);

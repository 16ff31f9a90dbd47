/** What a `SwimMachine` is told, and what it wants done. */
import type { NodeId } from "@hearthmesh/core";
import type { Claim, SwimMessage } from "./messages.js";
import type { MemberChange } from "./view.js";

export type SwimEvent =
  /** Addresses to begin with: from a snapshot, a configuration, a beacon. */
  | { readonly type: "join"; readonly addresses: readonly string[] }
  /** A datagram whose sender was verified. */
  | { readonly type: "message"; readonly address: string; readonly message: SwimMessage }
  /** A whole view: one that was asked for, or the answer to one. */
  | { readonly type: "view"; readonly claims: readonly Claim[] }
  | { readonly type: "wake" }
  /** A connection to the node broke: probe it now. */
  | { readonly type: "connection-lost"; readonly nodeId: NodeId }
  | { readonly type: "update"; readonly address?: string; readonly meta?: Uint8Array }
  | { readonly type: "leave" };

export type SwimEffect =
  | { readonly type: "send"; readonly address: string; readonly message: SwimMessage }
  /** Give `claims` to whoever is at the address, and what it answers back as `view`. */
  | { readonly type: "exchange"; readonly address: string; readonly claims: readonly Claim[] }
  | ({ readonly type: "change" } & MemberChange);

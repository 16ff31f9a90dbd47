/** What the candidate book is told, and what it asks for. */
import type { NodeId } from "@hearthmesh/core";
import type { PeerState } from "../ports.js";
import type { AddressFailure, FoundBy, FoundMethod, LinkKind } from "./candidate.js";

export interface FoundEvent {
  readonly type: "found";
  readonly method: FoundMethod;
  /** Verified by the beacon's signature, or told by somebody; the dial proves it. */
  readonly nodeId?: NodeId;
  /** `host:port` in canonical form. */
  readonly addresses: readonly string[];
  /** Of a fresh beacon: a higher one says that the node has started again. */
  readonly boot?: number;
}

export type BookEvent =
  | FoundEvent
  /** These addresses, told without a node id by this method, are no longer named. */
  | {
      readonly type: "withdrawn";
      readonly method: FoundMethod;
      readonly addresses: readonly string[];
    }
  | { readonly type: "left" | "removed" | "restored"; readonly nodeId: NodeId }
  /** Somebody needs it now: its back-off begins anew. */
  | { readonly type: "needed"; readonly nodeId: NodeId }
  | { readonly type: "peer-state"; readonly nodeId: NodeId; readonly state: PeerState }
  | {
      readonly type: "dial-succeeded";
      readonly dialId: number;
      readonly nodeId: NodeId;
      readonly address: string;
    }
  | {
      readonly type: "dial-failed";
      readonly dialId: number;
      readonly failures: readonly AddressFailure[];
      readonly isSelf?: boolean;
    }
  | {
      readonly type: "link-opened" | "link-closed";
      readonly nodeId: NodeId;
      readonly kind: LinkKind;
    }
  | { readonly type: "network-changed" | "wake" }
  /** Between them no dial begins. */
  | { readonly type: "pause" | "resume" };

export type BookEffect =
  | {
      readonly type: "dial";
      readonly dialId: number;
      readonly addresses: readonly string[];
      readonly expectedNodeId?: NodeId;
      readonly foundBy: readonly FoundBy[];
    }
  /** The dial is no longer wanted; its end is still to be told. */
  | { readonly type: "abort-dial"; readonly dialId: number };

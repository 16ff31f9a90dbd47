/** What nodes say to each other about who is here. `datagram-codec.ts` makes bytes of it. */
import type { NodeId } from "@hearthmesh/core";

/**
 * What a node says about itself. `proof` is its signature over all the rest, so that nobody else
 * can say it; a higher incarnation replaces a lower one.
 */
export interface NodeRecord {
  readonly nodeId: NodeId;
  /** For people. */
  readonly name: string;
  /** Where its datagrams go, `host:port`. */
  readonly address: string;
  readonly incarnation: number;
  /** True for its last word: it has left on purpose. */
  readonly isLeaving: boolean;
  /** Opaque to the protocol, such as capabilities and ports; at most `NODE_META_BYTES_MAX`. */
  readonly meta: Uint8Array;
  readonly proof: Uint8Array;
}

/** One thing to spread: a node's own word, or what another node believes about it. */
export type Claim =
  | { readonly kind: "self"; readonly record: NodeRecord }
  | {
      readonly kind: "suspect" | "dead";
      readonly nodeId: NodeId;
      /** Of the record that it is about; a later record refutes it. */
      readonly incarnation: number;
      /** Who believes it. */
      readonly from: NodeId;
    };

/** A datagram: one of these, with as many claims as fit. */
export type SwimMessage = (
  | { readonly kind: "ping"; readonly sequence: number; readonly target: NodeId }
  | { readonly kind: "ack"; readonly sequence: number }
  /** Asks a third node to ping the target, and to say `nack` when that does not answer. */
  | {
      readonly kind: "ping-request";
      readonly sequence: number;
      readonly target: NodeId;
      readonly targetAddress: string;
    }
  | { readonly kind: "nack"; readonly sequence: number }
  | { readonly kind: "gossip" }
) & { readonly from: NodeId; readonly claims: readonly Claim[] };

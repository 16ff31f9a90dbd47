/** What a `RouteMachine` is told, and what it wants done. */
import type { NodeId } from "@hearthmesh/core";
import type { PeerState, ServiceAnnouncement } from "../ports.js";
import type { AnnouncementNumber } from "./announcement.js";
import type { CarriedAnnouncement } from "./announcement-store.js";

export type RouteEvent =
  /** A direct link opened. */
  | {
      readonly type: "link-up";
      readonly nodeId: NodeId;
      readonly kind: "direct" | "hub";
      readonly roundTripMs?: number | undefined;
    }
  | { readonly type: "link-down"; readonly nodeId: NodeId }
  | { readonly type: "round-trip"; readonly nodeId: NodeId; readonly ms: number }
  | {
      readonly type: "announcements";
      readonly from: NodeId;
      readonly announcements: readonly CarriedAnnouncement[];
    }
  | {
      readonly type: "digest";
      readonly from: NodeId;
      readonly numbers: readonly AnnouncementNumber[];
      /** It answers a digest, and is not answered by another. */
      readonly isAnswer: boolean;
    }
  | { readonly type: "member"; readonly nodeId: NodeId; readonly state: PeerState }
  /** Checked by `checkServices`. */
  | { readonly type: "services"; readonly services: readonly ServiceAnnouncement[] }
  | { readonly type: "key-known"; readonly nodeId: NodeId }
  /** Announcements or a digest did not get to the neighbour. */
  | { readonly type: "send-failed"; readonly nodeId: NodeId }
  | { readonly type: "wake" };

export interface AddressedAnnouncement extends CarriedAnnouncement {
  /** The node that made it. */
  readonly nodeId: NodeId;
}

export type RouteEffect =
  | {
      readonly type: "send";
      readonly to: NodeId;
      readonly announcements: readonly AddressedAnnouncement[];
    }
  | {
      readonly type: "send-digest";
      readonly to: NodeId;
      readonly numbers: readonly AnnouncementNumber[];
      readonly isAnswer: boolean;
    }
  /** Routes or services may be others now; at most once in a step. */
  | { readonly type: "changed" };

/** What the runtime of SWIM is handed, and what it tells. */
import type { Clock, Logger, NodeId, Random } from "@hearthmesh/core";
import type { Address } from "@hearthmesh/qwormhole";
import type { MeshLinks, NodeProfile, PeerInfo, PeerState } from "../ports.js";
import type { SwimConfig } from "../swim/config.js";
import type { VerifiedCertificate } from "./certificate-book.js";
import type { SnapshotStore } from "./snapshot.js";
import type { UdpSocketFactory } from "./udp-socket.js";

export interface SwimSelf {
  readonly nodeId: NodeId;
  readonly name: string;
  /** PKCS#8, PEM; P-256. */
  readonly privateKeyPem: string;
  /** SPKI, DER. */
  readonly publicKey: Uint8Array;
  /** The leaf that is valid now. */
  certificateDer(): Uint8Array;
  /** `host:port` where others reach the UDP socket; asked when the socket is bound. */
  address(): string;
  meta(): NodeProfile;
}

export interface SwimRuntimeOptions {
  readonly config: SwimConfig;
  readonly self: SwimSelf;
  /** ECDSA P-256 with SHA-256, 64 bytes `r | s` (IEEE P1363). */
  sign(bytes: Uint8Array): Uint8Array;
  /** Where to listen; undefined: links alone. */
  readonly udp: Address | undefined;
  /** Default: a socket of the operating system. */
  readonly udpSocket?: UdpSocketFactory;
  readonly links: MeshLinks;
  /** Who a leaf speaks for; throws for one that is not a machine's of this member, or has ended. */
  verifyCertificate(der: Uint8Array): VerifiedCertificate;
  isRevoked(nodeId: NodeId): boolean;
  /**
   * Asked when the last link to a peer broke: whether the machine of the peer itself says that the
   * process is gone. `remoteAddress` is where that link went. Without it, only silence tells.
   */
  isProcessGone?(peer: PeerInfo, remoteAddress: string): Promise<boolean>;
  readonly snapshots: SnapshotStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** A peer with what the runtime knows of it beside its record. */
export interface MemberReport extends PeerInfo {
  readonly incarnation: number;
  /** Where its datagrams go, as it says. */
  readonly udpAddress: string;
  /** Time since its last datagram over UDP and over links; undefined when none came. */
  readonly udpHeardAgoMs: number | undefined;
  readonly linkHeardAgoMs: number | undefined;
}

export interface PeerChange {
  readonly peer: PeerInfo;
  /** Undefined for a peer that was not known. The same as `after` when only its record is new. */
  readonly before: PeerState | undefined;
  readonly after: PeerState;
}

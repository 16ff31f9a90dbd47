/** What discovery is handed. */
import type { Clock, Logger, NodeId, Random } from "@hearthmesh/core";
import type { InterfaceAddress, Link } from "@hearthmesh/qwormhole";
import type { LinkDialer, MeshLinks } from "../ports.js";
import type { FoundBy } from "./candidate.js";
import type { Contact, HubSource } from "./hub-finder.js";
import type { BeaconSelf } from "./lan-beacons.js";
import type { MeshSecret } from "./mesh-secret.js";
import type { MulticastSocketFactory } from "./multicast-socket.js";

/** Another node of the mesh whose beacon was heard. */
export interface HeardNode {
  readonly nodeId: NodeId;
  /** Of membership; undefined when it has none. */
  readonly udpAddress: string | undefined;
  /** `host:port`, the one that the beacon came from first. */
  readonly linkAddresses: readonly string[];
}

export interface DiscoveryOptions {
  self: BeaconSelf;
  /** The newest; asked for each beacon. */
  secret(): MeshSecret | undefined;
  /** Default group and port: `BEACON_GROUP`, `BEACON_PORT`. */
  beacon: { enabled: boolean; group?: string; port?: number };
  /** `host:port` of links; whoever of the mesh answers there. */
  staticPeers: readonly string[];
  /** The coordinator, as the invite named it. */
  invite?: Contact;
  hubs: readonly HubSource[];
  dialer: Pick<LinkDialer, "dial">;
  /** Tells which links are open, also those that others dialled. */
  links: Pick<MeshLinks, "onLink" | "openLinks">;
  /**
   * A verified link to a node of the mesh: keep it and exchange views. A rejection counts as a
   * failed dial, and the link is closed. A second link to a node may be closed without an error.
   */
  onLink(link: Link, foundBy: readonly FoundBy[]): Promise<void>;
  /** Each fresh beacon of another node. */
  onHeard?(node: HeardNode): void;
  clock: Clock;
  random: Random;
  log: Logger;
  /** Default: real UDP sockets. */
  multicast?: MulticastSocketFactory;
  /** Default: those of the operating system. */
  interfaces?(): readonly InterfaceAddress[];
}

/** Discovery on a machine of a fake LAN. */
import { createHash } from "node:crypto";
import { type Clock, type NodeId, type Random, silentLogger } from "@hearthmesh/core";
import { generateKeyPair, publicKeyDerOf, signerOf } from "@hearthmesh/identity";
import { Discovery } from "../discovery.js";
import type { DiscoveryOptions, HeardNode } from "../discovery-options.js";
import type { BeaconSelf } from "../lan-beacons.js";
import { type MeshSecret, newMeshSecret } from "../mesh-secret.js";
import type { FakeLan } from "./fake-lan.js";
import { FakeLinks, type FakeNetwork } from "./fake-links.js";

/** The same for the same seed. */
export function seededRandom(seed: string): Random {
  let draws = 0;
  const block = () => createHash("sha256").update(`${seed}/${draws++}`).digest();
  return {
    bytes(length) {
      const pieces: Uint8Array[] = [];
      for (let made = 0; made < length; made += 32) pieces.push(block());
      return new Uint8Array(Buffer.concat(pieces).subarray(0, length));
    },
    float: () => block().readUIntBE(0, 6) / 2 ** 48,
  };
}

export function testSecret(seed: string): MeshSecret {
  return newMeshSecret(seededRandom(seed));
}

export function testSelf(seed: string, boot = 1): BeaconSelf {
  const { privateKeyPem, publicKeyPem, nodeId } = generateKeyPair(seededRandom(seed));
  return {
    nodeId: nodeId as NodeId,
    publicKey: new Uint8Array(publicKeyDerOf(publicKeyPem)),
    boot,
    udpPort: 7946,
    linkPort: 9000,
    sign: signerOf(privateKeyPem),
  };
}

export interface TestNode {
  readonly nodeId: NodeId;
  readonly discovery: Discovery;
  readonly links: FakeLinks;
  readonly heard: HeardNode[];
}

export interface TestNodeOptions extends Partial<DiscoveryOptions> {
  name: string;
  host: string;
  lan: FakeLan;
  network: FakeNetwork;
  clock: Clock;
  meshSecret?: MeshSecret;
  boot?: number;
}

export function testNode(options: TestNodeOptions): TestNode {
  const { name, host, lan, network, clock, meshSecret, boot, ...rest } = options;
  const self = testSelf(name, boot);
  const links = new FakeLinks();
  const heard: HeardNode[] = [];
  network.listen(`${host}:9000`, self.nodeId, links);
  const eth0 = { name: "eth0", address: host, family: 4, cidr: `${host}/24`, internal: false };
  const discovery = new Discovery({
    self,
    secret: () => meshSecret,
    beacon: { enabled: true },
    staticPeers: [],
    hubs: [],
    dialer: network.dialerOf(self.nodeId),
    links,
    onLink: async (link) => links.add(link),
    onHeard: (node) => heard.push(node),
    clock,
    random: seededRandom(`${name}/random`),
    log: silentLogger,
    multicast: lan.socketsOf(host),
    interfaces: () => [eth0 as ReturnType<NonNullable<DiscoveryOptions["interfaces"]>>[number]],
    ...rest,
  });
  return { nodeId: self.nodeId, discovery, links, heard };
}

/** Who is missing, once membership has forgotten the node and discovery still dials it. */
import type { NodeId } from "@hearthmesh/core";
import type { PeerDiscovery, PeerInfo } from "@hearthmesh/membership";
import { describe, expect, it } from "vitest";
import { meshMetrics } from "./mesh-metrics.js";
import type { MeshPart } from "./mesh-part.js";
import { MeshReport } from "./mesh-report.js";

const NODE = "b".repeat(52) as NodeId;
const ADDRESS = "192.0.2.7:9000";

const PEER = {
  nodeId: NODE,
  name: "attic",
  state: "dead",
  roles: [],
  capabilities: [],
  site: "home",
  version: "1",
  linkAddresses: [ADDRESS],
} as unknown as PeerInfo;

const FOUND: PeerDiscovery = {
  nodeId: NODE,
  addresses: [ADDRESS],
  foundBy: [],
  link: "none",
  attempts: 3,
  failures: [],
  isDialling: false,
};

function meshOf(state: { peers: PeerInfo[]; found: PeerDiscovery[] }) {
  const parts = {
    record: { nodeId: "a".repeat(52), name: "cellar" },
    swim: {
      peers: () => state.peers,
      peer: (nodeId: string) => state.peers.find((one) => one.nodeId === nodeId),
      counters: { refused: {} },
    },
    links: { openLinks: () => [], lastErrors: () => [] },
    routes: { routes: () => [], costMsTo: () => undefined },
    relay: { status: () => ({ all: { openStreams: 0, bytes: 0, refused: {} } }) },
    services: { all: () => [] },
    discovery: { report: () => ({ peers: state.found }) },
  };
  const report = new MeshReport(parts as never);
  const part = { parts, overlay: undefined, peers: () => report.peers() } as unknown as MeshPart;
  const dead = () =>
    meshMetrics(part, "cellar").find(
      ({ name, labels }) => name === "mesh_peers" && labels?.state === "dead",
    )?.value;
  return { report, dead };
}

describe("a node that nobody reaches any more", () => {
  it("is missing under its name, and counted, as long as it is away", () => {
    const state = { peers: [PEER], found: [FOUND] };
    const { report, dead } = meshOf(state);
    expect(report.peers().missing).toMatchObject([{ name: "attic", state: "dead" }]);
    expect(dead()).toBe(1);
    state.peers = [];
    expect(report.peers().missing).toMatchObject([{ nodeId: NODE, name: "attic", state: "dead" }]);
    expect(dead()).toBe(1);
    state.found = [];
    expect(report.peers().missing).toEqual([]);
    expect(dead()).toBe(0);
  });

  it("is no loss when it said goodbye", () => {
    const { report, dead } = meshOf({ peers: [], found: [{ ...FOUND, hasLeft: true }] });
    expect(report.peers().missing).toMatchObject([{ name: NODE.slice(0, 12), state: "left" }]);
    expect(dead()).toBe(0);
  });

  it("is nobody where only an address is known", () => {
    const { nodeId, ...unknown } = FOUND;
    const { report, dead } = meshOf({ peers: [], found: [unknown] });
    expect(report.peers().missing).toMatchObject([{ nodeId: "", name: ADDRESS }]);
    expect(dead()).toBe(0);
  });
});

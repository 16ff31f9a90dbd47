import { encodeMessage, fromWireError } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { encodeDatagram } from "../datagram-codec.js";
import { RuntimeMesh } from "../testing/runtime-mesh.js";

const PATIENCE = { timeout: 30_000, interval: 10 };

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

let mesh: RuntimeMesh;

beforeEach(async () => {
  mesh = await RuntimeMesh.create();
});

afterEach(async () => {
  await mesh.stop();
});

async function meshOf(...names: string[]): Promise<void> {
  for (const name of names) await mesh.start(name);
  for (const name of names.slice(1)) await mesh.join(name, names[0] as string);
  await vi.waitFor(() => expect(mesh.hasConverged).toBe(true), PATIENCE);
}

/** A datagram that this node has taken. */
async function passedTo(name: string): Promise<Uint8Array> {
  const { runtime } = mesh.node(name);
  await vi.waitFor(() => expect(runtime.counters.datagramsIn).toBeGreaterThan(5), PATIENCE);
  return mesh.passed.find(({ to }) => to === name)?.bytes as Uint8Array;
}

describe("a mesh of runtimes", { timeout: 60_000 }, () => {
  it("finds itself by way of one node, and says what its nodes say about themselves", async () => {
    await meshOf("a", "b", "c", "d");
    const { runtime } = mesh.node("d");
    expect(runtime.peer(mesh.nodeId("c"))).toEqual({
      nodeId: mesh.nodeId("c"),
      name: "c",
      state: "alive",
      linkAddresses: ["c:1"],
      capabilities: ["compute"],
      roles: ["storage"],
      site: "garage",
      version: "0.1.0",
      relays: false,
      isHub: false,
    });
    await vi.waitFor(() => {
      expect(runtime.members().every(({ udpHeardAgoMs }) => udpHeardAgoMs !== undefined)).toBe(
        true,
      );
    }, PATIENCE);
    expect(mesh.deaths()).toEqual([]);
  });

  it("notices a crash, and nobody else is called dead", async () => {
    await meshOf("a", "b", "c", "d");
    await mesh.crash("c");
    await vi.waitFor(() => expect(mesh.allSee("c", "dead")).toBe(true), PATIENCE);
    expect(new Set(mesh.deaths().map(({ peer }) => peer.name))).toEqual(new Set(["c"]));
  });

  it("hears of a node that leaves, and calls it neither dead nor suspect", async () => {
    await meshOf("a", "b", "c");
    await mesh.leave("b");
    expect(mesh.allSee("b", "left")).toBe(true);
    await mesh.start("b");
    await mesh.join("b", "c");
    await vi.waitFor(() => expect(mesh.hasConverged).toBe(true), PATIENCE);
    expect(mesh.deaths()).toEqual([]);
  });

  it("lives on links alone when no datagram gets through, and still notices a crash", async () => {
    await meshOf("a", "b", "c");
    mesh.loses = () => true;
    await pause(4500);
    expect(mesh.deaths()).toEqual([]);
    await vi.waitFor(() => expect(mesh.hasConverged).toBe(true), PATIENCE);
    expect(mesh.node("b").runtime.counters.linkDatagramsIn).toBeGreaterThan(50);
    await mesh.crash("c");
    await vi.waitFor(() => expect(mesh.allSee("c", "dead")).toBe(true), PATIENCE);
    expect(mesh.deaths().every(({ peer }) => peer.name === "c")).toBe(true);
  });

  it("takes a node in that has no UDP at all", async () => {
    await mesh.start("a");
    await mesh.start("b");
    await mesh.start("c", { udp: false });
    for (const name of ["b", "c"]) await mesh.join(name, "a");
    await vi.waitFor(() => expect(mesh.hasConverged).toBe(true), PATIENCE);
    await pause(4000);
    expect(mesh.hasConverged).toBe(true);
    expect(mesh.deaths()).toEqual([]);
    expect(mesh.node("c").runtime.udpPort).toBeUndefined();
  });

  it("is not disturbed when datagrams get through in one direction only", async () => {
    await meshOf("a", "b", "c");
    mesh.loses = ({ from, to }) => from === "a" && to === "b";
    await pause(4500);
    expect(mesh.deaths()).toEqual([]);
  });

  it("fetches the certificate of a node that it hears of by gossip", async () => {
    await meshOf("a", "b", "c");
    // Datagrams alone tell the others: they have no exchange with the newcomer.
    await mesh.start("d");
    await mesh.join("d", "b");
    const heard = () => expect(mesh.state("c", "d")).toBe("alive");
    await vi.waitFor(heard, PATIENCE);
  });

  it("takes a node back that is restarted, with another port and another life", async () => {
    await meshOf("a", "b", "c");
    const before = mesh.node("c").runtime.incarnation;
    await mesh.crash("c");
    await mesh.start("c");
    expect(mesh.node("c").runtime.incarnation).toBeGreaterThan(before);
    await mesh.join("c", "a");
    await vi.waitFor(() => expect(mesh.hasConverged).toBe(true), PATIENCE);
    const { runtime } = mesh.node("b");
    await vi.waitFor(() => {
      const report = runtime.members().find(({ name }) => name === "c");
      expect(report?.udpAddress).toBe(`127.0.0.1:${mesh.node("c").runtime.udpPort}`);
      expect(report?.udpHeardAgoMs).toBeLessThan(500);
    }, PATIENCE);
  });

  it("comes back after all of it was off, from the snapshots", async () => {
    await meshOf("a", "b", "c");
    const names = ["a", "b", "c"];
    for (const name of names) await mesh.crash(name);
    for (const name of names) await mesh.start(name);
    const known = mesh.node("a").runtime.snapshotPeers();
    expect(known.map(({ name }) => name).sort()).toEqual(["b", "c"]);
    expect(known.map(({ linkAddresses }) => linkAddresses).sort()).toEqual([["b:1"], ["c:1"]]);
    for (const { name } of known) await mesh.join("a", name);
    await vi.waitFor(() => expect(mesh.hasConverged).toBe(true), PATIENCE);
  });

  it("gets above its earlier incarnation with no snapshot and a clock that went back", async () => {
    await meshOf("a", "b");
    const before = mesh.node("b").runtime.incarnation;
    await mesh.crash("b");
    mesh.dropSnapshot("b");
    mesh.clockOffsetMs.set("b", -3_600_000);
    await mesh.start("b");
    await mesh.join("b", "a");
    await vi.waitFor(() => expect(mesh.hasConverged).toBe(true), PATIENCE);
    const told = () => mesh.node("a").runtime.members()[0]?.incarnation;
    await vi.waitFor(() => expect(told()).toBe(mesh.node("b").runtime.incarnation), PATIENCE);
    expect(told()).toBeGreaterThan(before);
  });

  it("forgets a removed node at once, and no gossip of others brings it back", async () => {
    await meshOf("a", "b", "c");
    const nodeId = mesh.nodeId("c");
    const { runtime, changes } = mesh.node("a");
    runtime.forget(nodeId);
    expect(runtime.peer(nodeId)).toBeUndefined();
    expect(changes.at(-1)).toMatchObject({ peer: { nodeId }, after: "left" });
    expect(runtime.snapshotPeers().map(({ name }) => name)).toEqual(["b"]);
    await mesh.join("b", "a");
    await mesh.join("c", "a");
    await pause(3000);
    expect(mesh.state("b", "c")).toBe("alive");
    expect(runtime.peer(nodeId)).toBeUndefined();
    await mesh.leave("a");
    const again = await mesh.start("a");
    await mesh.join("a", "b");
    expect(again.runtime.peer(nodeId)).toBeUndefined();
    again.runtime.readmit(nodeId);
    await vi.waitFor(() => expect(mesh.hasConverged).toBe(true), PATIENCE);
  });

  it("drops whose key was revoked", async () => {
    await meshOf("a", "b", "c");
    mesh.revoked.add(mesh.nodeId("c"));
    for (const name of ["a", "b"]) mesh.node(name).runtime.dropRevoked();
    await pause(1500);
    expect(mesh.allSee("c", undefined)).toBe(true);
  });

  it("tells the others when its meta is another", async () => {
    await meshOf("a", "b");
    mesh.site = "attic";
    mesh.node("b").runtime.updateSelf();
    const { runtime } = mesh.node("a");
    await vi.waitFor(() => expect(runtime.peer(mesh.nodeId("b"))?.site).toBe("attic"), PATIENCE);
    const { incarnation } = mesh.node("b").runtime;
    mesh.node("b").runtime.updateSelf();
    expect(mesh.node("b").runtime.incarnation).toBe(incarnation);
  });

  it("heals after it was cut in two", async () => {
    await meshOf("a", "b", "c", "d");
    const isLeft = (name: string | undefined) => name === "a" || name === "b";
    mesh.isCut = (from, to) => isLeft(from) !== isLeft(to);
    mesh.loses = ({ from, to }) => isLeft(from) !== isLeft(to);
    for (const { links } of mesh.nodes.values()) links.breakCut();
    await vi.waitFor(() => expect(mesh.state("a", "d")).toBe("dead"), PATIENCE);
    await vi.waitFor(() => expect(mesh.state("c", "b")).toBe("dead"), PATIENCE);
    mesh.isCut = () => false;
    mesh.loses = () => false;
    await vi.waitFor(() => expect(mesh.hasConverged).toBe(true), PATIENCE);
  });
});

describe("what strangers and liars send", { timeout: 60_000 }, () => {
  it("is refused and counted, and changes nothing", async () => {
    await meshOf("a", "b");
    const genuine = await passedTo("a");
    const forged = Uint8Array.from(genuine);
    forged[forged.length - 1] = (forged[forged.length - 1] as number) ^ 1;
    forged[23] = 0xff;
    const stranger = Uint8Array.from(genuine);
    stranger[2] = (stranger[2] as number) ^ 1;
    const otherLife = Uint8Array.from(genuine);
    otherLife[14] = (otherLife[14] as number) ^ 1;
    const { runtime } = mesh.node("a");
    await mesh.inject("a", [genuine, forged, stranger, otherLife, new Uint8Array(10)]);
    await vi.waitFor(() => {
      expect(runtime.counters.refused).toMatchObject({
        ...{ replayed: 1, forged: 1, stranger: 1, "other-life": 1, malformed: 1 },
      });
    }, PATIENCE);
    expect(mesh.hasConverged).toBe(true);
  });

  it("costs no more than the limits when it is a flood", async () => {
    await meshOf("a", "b");
    const genuine = await passedTo("a");
    const flood = Array.from({ length: 500 }, (_, index) => {
      const forged = Buffer.from(genuine);
      forged.writeUIntBE(1_000_000 + index, 18, 6);
      return forged;
    });
    await mesh.inject("a", flood);
    const { runtime } = mesh.node("a");
    const refused = () => {
      const { forged = 0, flood: flooded = 0 } = runtime.counters.refused;
      return { forged, flooded };
    };
    await vi.waitFor(() => expect(refused().flooded).toBeGreaterThan(0), PATIENCE);
    expect(refused().forged).toBeLessThan(200);
    await pause(3000);
    expect(mesh.hasConverged).toBe(true);
    expect(mesh.deaths()).toEqual([]);
  });

  it("is not believed on a link when it speaks in another's name", async () => {
    await meshOf("a", "b", "c");
    const message = { kind: "gossip", from: mesh.nodeId("c"), claims: [] } as const;
    const link = mesh.node("b").links.openLink(mesh.nodeId("a"));
    await link?.request("mesh.datagram", encodeDatagram(message).bytes);
    await link?.request("mesh.datagram", Uint8Array.of(1, 2, 3));
    const { refused } = mesh.node("a").runtime.counters;
    expect(refused).toMatchObject({ impostor: 1, unreadable: 1 });
  });

  it.each([
    ["mesh.exchange", Uint8Array.of(1)],
    ["mesh.exchange", Buffer.concat(encodeMessage({ kind: "page", wanted: [7], runs: [] }))],
    ["mesh.certificates", Buffer.concat(encodeMessage({ nodeIds: "all" }))],
    ["mesh.nothing", Uint8Array.of()],
  ])("is answered with a typed error: %s %#", async (method, body) => {
    await meshOf("a", "b");
    const link = mesh.node("b").links.openLink(mesh.nodeId("a"));
    const answer = link?.request(method, body).catch(fromWireError);
    expect((await answer) as unknown).toMatchObject({ name: "MeshError" });
    expect(mesh.hasConverged).toBe(true);
  });

  it("makes no ghost: who is called dead and answers stays", async () => {
    await meshOf("a", "b", "c");
    const nodeId = mesh.nodeId("c");
    const from = mesh.nodeId("b");
    const link = mesh.node("b").links.openLink(mesh.nodeId("a"));
    const { incarnation } = mesh.node("c").runtime;
    const claims = [{ kind: "dead", nodeId, incarnation, from }] as const;
    const message = { kind: "gossip", from, claims } as const;
    await link?.request("mesh.datagram", encodeDatagram(message).bytes);
    await vi.waitFor(() => {
      expect(mesh.node("c").runtime.incarnation).toBe(incarnation + 1);
      expect(mesh.hasConverged).toBe(true);
    }, PATIENCE);
    expect(mesh.deaths()).toEqual([]);
  });
});

import type { NodeId } from "@hearthmesh/core";
import { ManualClock, settle } from "@hearthmesh/qwormhole/testing";
import { describe, expect, it } from "vitest";
import { FakeLan } from "./testing/fake-lan.js";
import { FakeNetwork } from "./testing/fake-links.js";
import { type TestNodeOptions, testNode, testSecret } from "./testing/test-node.js";

const SECRET = testSecret("mesh a");

function world() {
  const clock = new ManualClock();
  const lan = new FakeLan();
  const network = new FakeNetwork();
  const node = (number: number, options: Partial<TestNodeOptions> = {}) =>
    testNode({
      name: `node ${number}`,
      host: `192.168.1.${number}`,
      lan,
      network,
      clock,
      meshSecret: SECRET,
      ...options,
    });
  return { clock, lan, network, node };
}

describe("finding each other on a LAN", () => {
  it("links a new node to all the others within two seconds", async () => {
    const { clock, node } = world();
    const old = [node(1), node(2), node(3)];
    for (const { discovery } of old) await discovery.start();
    await clock.advance(60_000);
    const late = node(4);
    await late.discovery.start();
    await clock.advance(2_000);
    for (const { nodeId, links } of old) {
      expect(late.links.has(nodeId)).toBe(true);
      expect(links.has(late.nodeId)).toBe(true);
    }
    const { peers, methods } = late.discovery.report();
    expect(peers.map(({ foundBy }) => foundBy[0]?.method)).toEqual(["beacon", "beacon", "beacon"]);
    expect(peers.every(({ link, lastError }) => link === "direct" && !lastError)).toBe(true);
    expect(methods.beacon.state).toBe("on");
    expect(methods.beacon.lastMs).toBeGreaterThan(0);
    expect(late.heard[0]?.udpAddress).toMatch(/^192\.168\.1\.\d:7946$/);
  });

  it("finds the others also when the first three beacons of the new node are lost", async () => {
    const { clock, lan, node } = world();
    const first = node(1);
    await first.discovery.start();
    const late = node(2);
    lan.faults.send = new Error("no buffer space");
    await late.discovery.start();
    await clock.advance(1_100);
    const { beacon } = late.discovery.report();
    expect(beacon?.interfaces[0]?.reason).toContain("no buffer space");
    lan.faults.send = undefined;
    await clock.advance(8_000);
    expect(late.links.has(first.nodeId)).toBe(true);
  });

  it("keeps two meshes apart, and shows strangers nothing that stays", async () => {
    const { clock, lan, node } = world();
    const other = testSecret("mesh b");
    const here = [node(1), node(2)];
    const there = [node(3, { meshSecret: other }), node(4, { meshSecret: other })];
    for (const { discovery } of [...here, ...there]) await discovery.start();
    await clock.advance(10_000);
    expect(here[0]?.links.openLinks().map(({ link }) => link.peer.nodeId)).toEqual([
      here[1]?.nodeId,
    ]);
    expect(there[0]?.links.openLinks().map(({ link }) => link.peer.nodeId)).toEqual([
      there[1]?.nodeId,
    ]);
    expect(here[0]?.discovery.report().peers).toHaveLength(1);
    expect(here[0]?.discovery.report().beacon?.counts.foreign).toBeGreaterThan(0);
    const before = new Set(lan.recorded.map(tagOf));
    lan.recorded.length = 0;
    clock.stall(3_600_000);
    await clock.advance(10_000);
    const after = new Set(lan.recorded.slice(-4).map(tagOf));
    expect(before.size).toBe(2);
    expect(after.size).toBe(2);
    expect([...after].filter((tag) => before.has(tag))).toEqual([]);
  });

  it("does not speak or hear without a secret, says so, and begins once it has one", async () => {
    const { clock, lan, node } = world();
    let secret: typeof SECRET | undefined;
    const first = node(1, { secret: () => secret });
    const second = node(2);
    await first.discovery.start();
    await second.discovery.start();
    await clock.advance(1_500);
    expect(first.discovery.report().methods.beacon).toMatchObject({
      state: "waiting",
      reason: expect.stringContaining("no mesh secret yet"),
    });
    expect(lan.recorded.length).toBe(3);
    secret = SECRET;
    await clock.advance(7_000);
    expect(first.links.has(second.nodeId)).toBe(true);
    expect(first.discovery.report().methods.beacon.state).toBe("on");
  });

  it("does not dial a node again that said goodbye, until it is back", async () => {
    const { clock, network, node } = world();
    const stays = node(1);
    const goes = node(2);
    await stays.discovery.start();
    await goes.discovery.start();
    await clock.advance(2_000);
    expect(stays.links.has(goes.nodeId)).toBe(true);
    const stopped = goes.discovery.stop();
    await clock.advance(300);
    await stopped;
    network.silence("192.168.1.2:9000");
    stays.links.drop(goes.nodeId);
    network.dialled.length = 0;
    await clock.advance(600_000);
    expect(network.dialled).toEqual([]);
    const back = node(2, { boot: 2 });
    await back.discovery.start();
    await clock.advance(2_000);
    expect(stays.links.has(goes.nodeId)).toBe(true);
  });

  it("does no more than one dial for a recording that is played again", async () => {
    const { clock, lan, network, node } = world();
    const first = node(1);
    const second = node(2);
    await first.discovery.start();
    await second.discovery.start();
    await clock.advance(20_000);
    const recorded = [...lan.recorded];
    network.dialled.length = 0;
    const before = first.discovery.report().beacon?.counts.fresh ?? 0;
    for (const bytes of recorded) lan.inject(bytes, "192.168.1.66");
    await clock.advance(1_000);
    expect(network.dialled).toEqual([]);
    expect(first.discovery.report().beacon?.counts.fresh).toBeLessThanOrEqual(before + 1);
  });
});

describe("a farewell", () => {
  it("of a node that was not heard before changes nothing: it may be a recording", async () => {
    const { clock, lan, network, node } = world();
    const goes = node(2);
    await goes.discovery.start();
    await clock.advance(1_500);
    const stopped = goes.discovery.stop();
    await clock.advance(300);
    await stopped;
    const farewell = lan.recorded.at(-1)!;
    network.silence("192.168.1.2:9000");
    const first = node(1);
    await first.discovery.start();
    const linkAddresses = ["192.168.1.2:9000"];
    first.discovery.addCandidate("snapshot", { nodeId: goes.nodeId, linkAddresses });
    lan.inject(farewell, "192.168.1.66");
    await clock.advance(1_000);
    expect(first.discovery.report().peers[0]?.nextAttemptMs).toBeGreaterThan(0);
    expect(first.heard).toEqual([]);
  });
});

describe("finding nodes elsewhere", () => {
  it("dials static peers without knowing who is there, for ever", async () => {
    const { clock, network, node } = world();
    const first = node(1, { beacon: { enabled: false }, staticPeers: ["192.168.1.9:9000"] });
    await first.discovery.start();
    await clock.advance(600_000);
    const [failing] = first.discovery.report().peers;
    expect(failing).toMatchObject({ link: "none", addresses: ["192.168.1.9:9000"] });
    expect(failing?.lastError).toBe(
      "192.168.1.9:9000: nothing listens there. " +
        "Check that the node runs, and the port of its links.",
    );
    expect(network.dialled.length).toBeGreaterThan(9);
    const late = node(9, { beacon: { enabled: false } });
    await clock.advance(61_000);
    expect(first.links.has(late.nodeId)).toBe(true);
    const [peer] = first.discovery.report().peers;
    expect(peer).toMatchObject({ nodeId: late.nodeId, link: "direct" });
    expect(peer?.foundBy.map(({ method }) => method)).toEqual(["static"]);
  });

  it("finds the new node at a static address after the machine was set up anew", async () => {
    const { clock, node } = world();
    const first = node(1, { beacon: { enabled: false }, staticPeers: ["192.168.1.9:9000"] });
    const old = node(9, { beacon: { enabled: false } });
    await first.discovery.start();
    await clock.advance(1_000);
    expect(first.links.has(old.nodeId)).toBe(true);
    const anew = node(9, { name: "set up anew", beacon: { enabled: false } });
    first.links.drop(old.nodeId);
    await clock.advance(10_000);
    expect(first.links.has(anew.nodeId)).toBe(true);
  });

  it("asks a hub again after a failure, and says why it failed", async () => {
    const { clock, node } = world();
    const hub = node(9, { beacon: { enabled: false } });
    let asked = 0;
    const first = node(1, {
      beacon: { enabled: false },
      hubs: [
        {
          label: "https://hub.example.com",
          async find() {
            asked += 1;
            if (asked < 3) throw Object.assign(new Error("x"), { code: "ENOTFOUND" });
            return { nodeId: hub.nodeId, linkAddresses: ["192.168.1.9:9000"] };
          },
        },
      ],
    });
    await first.discovery.start();
    await settle();
    expect(first.discovery.report().methods.hub).toEqual({
      enabled: true,
      state: "waiting",
      reason: "https://hub.example.com: the name has no address",
    });
    await clock.advance(20_000);
    expect(first.links.has(hub.nodeId)).toBe(true);
    expect(first.discovery.report().methods.hub.state).toBe("on");
    await clock.advance(300_000);
    expect(asked).toBe(3);
  });

  it("closes the link and tries again when the daemon cannot use it", async () => {
    const { clock, node } = world();
    let isReady = false;
    node(9, { beacon: { enabled: false } });
    const first = node(1, {
      beacon: { enabled: false },
      staticPeers: ["192.168.1.9:9000"],
      onLink: async (link) => {
        if (!isReady) throw new Error("the views could not be exchanged");
        first.links.add(link);
      },
    });
    await first.discovery.start();
    await clock.advance(1_000);
    expect(first.discovery.report().peers[0]?.lastError).toContain("views could not be exchanged");
    isReady = true;
    await clock.advance(60_000);
    expect(first.links.openLinks()).toHaveLength(1);
  });

  it("stops at once while views are exchanged with a node that does not answer", async () => {
    const { clock, node } = world();
    node(9);
    let isAsked = false;
    const first = node(1, {
      beacon: { enabled: false },
      staticPeers: ["192.168.1.9:9000"],
      onLink: () => {
        isAsked = true;
        return new Promise<void>(() => undefined);
      },
    });
    await first.discovery.start();
    await clock.advance(1_000);
    expect(isAsked).toBe(true);
    // The clock stands still: nothing but the stop itself may end it.
    await first.discovery.stop();
    expect(first.discovery.report().peers[0]?.link).toBe("none");
  });

  it("leaves out a peer that is this node itself, and names what is unreadable", async () => {
    const { clock, node } = world();
    const first = node(1, { staticPeers: ["192.168.1.1:9000", "no port"] });
    await first.discovery.start();
    await clock.advance(1_000);
    const { peers, methods } = first.discovery.report();
    expect(peers[0]?.lastError).toContain("is this node itself");
    expect(methods.static).toMatchObject({ state: "waiting" });
    expect(methods.static.reason).toContain('"no port"');
  });

  it("never dials a node that was removed, however it is found", async () => {
    const { clock, network, node } = world();
    const first = node(1);
    const gone = node(2);
    first.discovery.forget(gone.nodeId);
    await first.discovery.start();
    await gone.discovery.start();
    first.discovery.addCandidate("gossip", {
      nodeId: gone.nodeId as NodeId,
      linkAddresses: ["192.168.1.2:9000"],
    });
    await clock.advance(60_000);
    expect(network.dialled.filter((address) => address === "192.168.1.2:9000")).toEqual([]);
    first.discovery.restore(gone.nodeId);
    first.links.drop(gone.nodeId);
    network.dialled.length = 0;
    await clock.advance(30_000);
    expect(network.dialled).toContain("192.168.1.2:9000");
  });
});

describe("what does not work", () => {
  it("goes on with a port that is taken, and opens it later", async () => {
    const { clock, lan, node } = world();
    lan.faults.bind = Object.assign(new Error("taken"), { code: "EADDRINUSE" });
    const first = node(1);
    await first.discovery.start();
    expect(first.discovery.report().methods.beacon).toMatchObject({
      state: "waiting",
      reason: expect.stringContaining("UDP port 42424 is taken"),
    });
    lan.faults.bind = undefined;
    await clock.advance(11_000);
    expect(first.discovery.report().methods.beacon.state).toBe("on");
  });

  it("tells why no interface can be used, and follows those that come and go", async () => {
    const { clock, lan, node } = world();
    const list: { name: string; address: string }[] = [];
    const first = node(1, {
      interfaces: () =>
        list.map((one) => ({ ...one, family: 4, cidr: null, internal: one.name === "lo" })),
    });
    const reason = () => first.discovery.report().methods.beacon.reason;
    await first.discovery.start();
    expect(reason()).toBe("no network interface has an IPv4 address");
    list.push({ name: "lo", address: "127.0.0.1" });
    await clock.advance(10_000);
    expect(reason()).toBeUndefined();
    list.push({ name: "eth0", address: "192.168.1.1" });
    await clock.advance(10_000);
    const names = first.discovery.report().beacon?.interfaces.map(({ name }) => name);
    expect(names).toEqual(["eth0"]);
    lan.faults.join = new Error("no such device");
    await clock.advance(10_000);
    expect(reason()).toContain("eth0: it cannot join the multicast group: no such device");
  });

  it("drops a flood of one source without harm to the others", async () => {
    const { clock, lan, node } = world();
    const first = node(1);
    const second = node(2);
    await first.discovery.start();
    for (let count = 0; count < 500; count++) lan.inject(new Uint8Array(64), "192.168.1.66");
    await second.discovery.start();
    await clock.advance(2_000);
    expect(first.discovery.report().beacon?.dropped).toBeGreaterThan(400);
    expect(first.links.has(second.nodeId)).toBe(true);
  });

  it("ends its dials and timers when it stops, and may start again", async () => {
    const { clock, node } = world();
    const first = node(1, {
      staticPeers: ["192.168.1.9:9000"],
      dialer: { dial: () => new Promise(() => undefined) },
    });
    await first.discovery.start();
    await clock.advance(100);
    expect(first.discovery.report().dialsUnderWay).toBe(1);
    const stopped = first.discovery.stop();
    await clock.advance(300);
    await stopped;
    await first.discovery.stop();
    expect(clock.timers).toBe(0);
    expect(first.discovery.report().dialsUnderWay).toBe(0);
    await first.discovery.start();
    await clock.advance(70_000);
    expect(first.discovery.report().peers[0]?.attempts).toBeGreaterThan(1);
    expect(first.discovery.report().peers[0]?.lastError).toContain("no answer in time");
    const again = first.discovery.stop();
    await clock.advance(300);
    await again;
  });
});

function tagOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, 16)).toString("hex");
}

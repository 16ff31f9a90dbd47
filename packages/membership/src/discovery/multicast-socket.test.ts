import { createSocket } from "node:dgram";
import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { Discovery } from "./discovery.js";
import { systemMulticastSocket } from "./multicast-socket.js";
import { FakeLinks, FakeNetwork } from "./testing/fake-links.js";
import { testSecret, testSelf } from "./testing/test-node.js";

const GROUP = "239.192.0.1";
const LOOPBACK = { name: "lo", address: "127.0.0.1", family: 4 as const, cidr: null };

async function freePort(): Promise<number> {
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  await new Promise<void>((resolve) => socket.bind(0, resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

/** Whether this machine carries multicast over loopback; some containers do not. */
async function hasLoopbackMulticast(): Promise<boolean> {
  const port = await freePort();
  let heard: () => void = () => undefined;
  const arrived = new Promise<boolean>((resolve) => {
    heard = () => resolve(true);
  });
  const socket = systemMulticastSocket({ onDatagram: () => heard(), onError: () => undefined });
  try {
    await socket.bind(port);
    socket.addMembership(GROUP, LOOPBACK.address);
    await socket.sendThrough(LOOPBACK.address, new Uint8Array(8), { host: GROUP, port });
    const never = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 3_000));
    return await Promise.race([arrived, never]);
  } catch {
    return false;
  } finally {
    socket.close();
  }
}

const isPossible = await hasLoopbackMulticast();

describe.skipIf(!isPossible)("real multicast on loopback", () => {
  it("lets daemons on one machine share the port and find each other", async () => {
    const port = await freePort();
    const network = new FakeNetwork();
    const secret = testSecret("real");
    const nodes = ["one", "two", "three"].map((name, index) => {
      const links = new FakeLinks();
      const self = { ...testSelf(name), linkPort: 9001 + index };
      network.listen(`127.0.0.1:${self.linkPort}`, self.nodeId, links);
      const discovery = new Discovery({
        self,
        secret: () => secret,
        beacon: { enabled: true, port },
        staticPeers: [],
        hubs: [],
        dialer: network.dialerOf(self.nodeId),
        links,
        onLink: async (link) => links.add(link),
        clock: systemClock(),
        random: systemRandom(),
        log: silentLogger,
        interfaces: () => [{ ...LOOPBACK, internal: true }],
      });
      return { discovery, links };
    });
    for (const { discovery } of nodes) await discovery.start();
    try {
      const isDone = () => nodes.every(({ links }) => links.openLinks().length === 2);
      for (let turn = 0; turn < 400 && !isDone(); turn++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      for (const { discovery, links } of nodes) {
        expect(links.openLinks()).toHaveLength(2);
        expect(discovery.report().methods.beacon.state).toBe("on");
      }
    } finally {
      for (const { discovery } of nodes) await discovery.stop();
    }
  }, 30_000);

  it("says so when another program keeps the port for itself", async () => {
    const taken = createSocket({ type: "udp4" });
    await new Promise<void>((resolve) => taken.bind(0, resolve));
    const { port } = taken.address();
    const socket = systemMulticastSocket({ onDatagram() {}, onError() {} });
    await expect(socket.bind(port)).rejects.toMatchObject({ code: "EADDRINUSE" });
    socket.close();
    await expect(
      socket.sendThrough(LOOPBACK.address, new Uint8Array(1), { host: GROUP, port }),
    ).rejects.toThrow("closed");
    await new Promise<void>((resolve) => taken.close(() => resolve()));
  });
});

/**
 * The transport over a real WireGuard tunnel between two network namespaces. Needs root on Linux,
 * /dev/net/tun, and the programs of the packages iproute2, wireguard-tools and wireguard-go.
 */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { JsonChild, supportScript } from "../support/json-child.js";
import {
  type NamespaceSide,
  TAP_PORT,
  TunnelPair,
  whyNoTunnels,
} from "../support/network-namespaces.js";

const missing = whyNoTunnels();
const name = missing === undefined ? "a WireGuard tunnel" : `a WireGuard tunnel (${missing})`;
const CABLE = { left: "198.51.100.1", right: "198.51.100.2" };

interface Dialled {
  localAddress: string;
  remoteAddress: string;
  answer: string;
}
interface Listening {
  host: string;
  port: number;
}

describe.skipIf(missing !== undefined)(name, () => {
  let pair: TunnelPair;
  let left: JsonChild;
  let right: JsonChild;
  beforeAll(async () => {
    pair = await TunnelPair.create();
    left = probeIn(pair.left);
    right = probeIn(pair.right);
  });
  afterAll(async () => {
    for (const probe of [left, right]) await probe?.close();
    await pair?.close();
  });

  /** A listener on the left that ends with the test. */
  async function serve<T>(
    choice: object,
    host: string,
    use: (
      address: Listening,
      refused: () => Promise<{ code: string; from: string }[]>,
    ) => Promise<T>,
  ): Promise<T> {
    const address = await left.ask<Listening>("listen", { name: "own", choice, host });
    try {
      return await use(address, () => left.ask("refusedBy", { name: "own" }));
    } finally {
      await left.ask("close", { name: "own" });
    }
  }
  const dial = (choice: object, { host, port }: Listening, text = "hello") =>
    right.ask<Dialled>("dial", { choice, host, port, text });

  it.each([
    ["IPv4", "0.0.0.0", "10.0.0.1", "10.0.0.2:"],
    ["IPv6", "::", "fd00:9::1", "[fd00:9::2]:"],
  ])("is listened on and dialled by the name of its interface, over %s", async (...row) => {
    const [, wildcard, own, from] = row;
    await serve({ interfaceName: "wg0" }, wildcard, async (address) => {
      expect(address.host).toBe(own);
      const before = await pair.right.tunnelBytes();
      const dialled = await dial({ interfaceName: "wg0" }, address, "x".repeat(10_000));
      expect(dialled.localAddress.startsWith(from)).toBe(true);
      expect(dialled.answer).toBe("x".repeat(10_000));
      const after = await pair.right.tunnelBytes();
      expect(after.sent - before.sent).toBeGreaterThan(10_000);
      expect(after.received - before.received).toBeGreaterThan(10_000);
    });
  });

  it("carries plain TCP without being told that it is safe, and nothing else does", async () => {
    for (const host of ["10.0.0.1", "fd00:9::1"]) {
      await serve({}, host, async (address) => {
        expect((await dial({}, address)).answer).toBe("hello");
        expect(
          (await dial({ localAddress: host === "10.0.0.1" ? "10.0.0.3" : "fd00:9::2" }, address))
            .answer,
        ).toBe("hello");
      });
    }
    for (const host of [CABLE.left, "0.0.0.0", "::"]) {
      await expect(left.ask("listen", { name: "x", choice: {}, host })).rejects.toMatchObject({
        code: "QW_INSECURE_REFUSED",
      });
    }
    // Somebody does listen at the cable; yet nothing is said to them.
    await serve({ insecure: "wireguard" }, CABLE.left, async (address) => {
      await expect(dial({}, address)).rejects.toMatchObject({
        code: "QW_INSECURE_REFUSED",
        message: expect.stringContaining("198.51.100.1: it is not in the networks of wg0"),
      });
      expect((await dial({ insecure: "wireguard" }, address)).answer).toBe("hello");
    });
  });

  it("is told apart from the cable by a listener that is bound to it", async () => {
    const choice = { interfaceName: "wg0", insecure: "wireguard" };
    await serve(choice, "0.0.0.0", async ({ port }, refused) => {
      const plain = { insecure: "wireguard", localAddress: CABLE.right };
      await expect(dial(plain, { host: CABLE.left, port })).rejects.toMatchObject({
        code: "QW_DIAL_REFUSED",
      });
      // Linux takes packets for any of its addresses on any interface, so the tunnel's address can
      // be reached by the cable. The connection comes about; it is ended without a word.
      const around = ["via", CABLE.left, "dev", "veth0", "table", "100"];
      await pair.right.run(["ip", "route", "add", "10.0.0.1/32", ...around]);
      await pair.right.run(["ip", "rule", "add", "from", CABLE.right, "lookup", "100"]);
      const { answer, localAddress } = await dial(plain, { host: "10.0.0.1", port }).finally(() =>
        pair.right.run(["ip", "rule", "delete", "from", CABLE.right, "lookup", "100"]),
      );
      expect(answer).toBe("");
      expect(await refused()).toEqual([{ code: "QW_PEER_OUTSIDE_NETWORK", from: localAddress }]);
    });
  });

  it("keeps peers outside its network out, in both directions", async () => {
    const outside = { insecure: "wireguard", localAddress: "10.9.0.2" };
    await serve({ interfaceName: "wg0" }, "10.0.0.1", async (address, refused) => {
      expect((await dial(outside, address)).answer).toBe("");
      expect((await dial({ interfaceName: "wg0" }, address)).answer).toBe("hello");
      // The plain transport and the binding both judge; the first one to do so reports.
      expect(await refused()).toMatchObject([{ from: expect.stringMatching(/^10\.9\.0\.2:/) }]);
    });
    const known = { interfaceName: "wg0", interfaceNetworks: ["10.9.0.0/24"] };
    await serve(known, "10.0.0.1", async (address) => {
      expect((await dial(outside, address)).answer).toBe("hello");
    });
    await expect(
      dial({ interfaceName: "wg0" }, { host: CABLE.left, port: 9 }),
    ).rejects.toMatchObject({ code: "QW_PEER_OUTSIDE_NETWORK" });
  });

  it("is waited for when it comes up later", async () => {
    await serve({ interfaceName: "wg0" }, "10.0.0.1", async (address) => {
      await pair.right.tunnelDown();
      const absent = { interfaceName: "wg0", interfaceWaitMs: 300 };
      await expect(dial(absent, address)).rejects.toMatchObject({
        code: "QW_INTERFACE_NOT_FOUND",
        message: "the interface wg0 is not there or not up; there are lo, veth0",
      });
      const dialling = dial({ interfaceName: "wg0", interfaceWaitMs: 60_000 }, address);
      await pair.right.tunnelUp();
      expect((await dialling).answer).toBe("hello");
    });
  });

  it("shows nothing of what it carries to someone at the cable", async () => {
    const word = `word-${randomBytes(16).toString("hex")}`;
    await pair.tap.watchFor(word);
    await serve({}, "10.0.0.1", async (address) => {
      const text = word.repeat(20_000);
      expect((await dial({}, address, text)).answer).toBe(text);
      const { withWord, bytes } = await pair.tap.seen();
      // There and back, and all of it through the tap.
      expect(bytes).toBeGreaterThan(2 * text.length);
      expect(withWord).toBe(0);
    });
    // The tap does see words that are not encrypted.
    await right.ask("datagram", { host: "127.0.0.1", port: TAP_PORT, text: `plain ${word}` });
    while ((await pair.tap.seen()).withWord === 0) await new Promise(setImmediate);
  });
});

function probeIn(side: NamespaceSide): JsonChild {
  return new JsonChild(side.spawn([process.execPath, supportScript("transport-probe.mjs")]));
}

import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { chooseTransport, type TransportChoice } from "./choose-transport.js";
import type { InterfaceAddress, NetworkInterfaces } from "./network-interfaces.js";
import { settle, testAuthority } from "./testing/index.js";
import type { Channel, Listener } from "./transport.js";

const authority = testAuthority();
const { credentials } = authority.issue("node");
const LOOPBACK = { host: "127.0.0.1", port: 0 };
const network: NetworkInterfaces = {
  list: (): InterfaceAddress[] => [
    { name: "lo", address: "127.0.0.1", family: 4, cidr: "127.0.0.1/8", internal: true },
    { name: "wg0", address: "10.0.0.1", family: 4, cidr: "10.0.0.1/24", internal: false },
  ],
  isWireGuard: (name) => name === "wg0",
};

const open: (Listener | Channel)[] = [];
afterEach(async () => {
  for (const item of open.splice(0)) "close" in item ? await item.close() : item.destroy();
});

async function serve(options: TransportChoice) {
  const accepted: Channel[] = [];
  const { transport, reload } = chooseTransport(options);
  const listener = await transport.listen(LOOPBACK, (channel) => {
    accepted.push(channel);
    open.push(channel);
  });
  open.push(listener);
  return { accepted, address: listener.address, reload };
}

async function dial(options: TransportChoice, address: Listener["address"]) {
  const channel = await chooseTransport(options).transport.dial(address);
  open.push(channel);
  return channel;
}

describe("the transport", () => {
  it("is TLS with `tls`, given as it is or as a function", async () => {
    let asked = 0;
    const { accepted, address, reload } = await serve({
      tls() {
        asked++;
        return credentials;
      },
    });
    expect((await dial({ tls: credentials }, address)).kind).toBe("tls");
    while (accepted.length === 0) await settle();
    const before = asked;
    reload();
    expect(asked).toBe(before + 1);
  });

  it("is TCP with `insecure`, and verified TCP with neither", async () => {
    for (const options of [{ insecure: "wireguard" }, { insecure: "loopback" }, {}] as const) {
      const { address, reload } = await serve(options);
      expect((await dial(options, address)).kind).toBe("tcp");
      expect(reload()).toBeUndefined();
    }
    const { transport } = chooseTransport({ network });
    for (const host of ["0.0.0.0", "192.0.2.1"]) {
      const code = host === "0.0.0.0" ? "QW_INSECURE_REFUSED" : "QW_LISTEN_FAILED";
      const listening = transport.listen({ host, port: 0 }, () => {});
      await expect(listening).rejects.toMatchObject({ code });
    }
    await expect(transport.dial({ host: "192.0.2.1", port: 9 })).rejects.toMatchObject({
      code: "QW_INSECURE_REFUSED",
    });
  });

  it("never speaks plain TCP where TLS is configured", async () => {
    const plain = await serve({ insecure: "loopback" });
    const bytes: Buffer[] = [];
    const heard = new Promise<void>((resolve) => {
      void (async () => {
        while (plain.accepted.length === 0) await settle();
        const onData = (piece: Uint8Array) => {
          bytes.push(Buffer.from(piece));
          plain.accepted[0]?.destroy();
        };
        plain.accepted[0]?.setHandlers({ onData, onDrain() {}, onClose: () => resolve() });
      })();
    });
    await expect(dial({ tls: credentials }, plain.address)).rejects.toMatchObject({
      name: "QWormholeError",
    });
    await heard;
    // A TLS record of the kind "handshake" (RFC 8446, 5.1), and nothing else.
    expect(bytes[0]?.[0]).toBe(22);
    expect(Buffer.concat(bytes).includes("QWRM")).toBe(false);
    expect(plain.accepted).toHaveLength(1);
  });

  it("is bound with an interface or a local address", async () => {
    const { transport } = chooseTransport({ network, interfaceName: "wg0", interfaceWaitMs: 0 });
    await expect(transport.dial({ host: "192.0.2.1", port: 9 })).rejects.toMatchObject({
      code: "QW_PEER_OUTSIDE_NETWORK",
    });
    const absent = chooseTransport({ network, interfaceName: "wg1", interfaceWaitMs: 0 });
    await expect(absent.transport.dial({ host: "10.0.0.2", port: 9 })).rejects.toMatchObject({
      code: "QW_INTERFACE_NOT_FOUND",
      message: "the interface wg1 is not there or not up; there are lo, wg0",
    });
    const { address } = await serve({});
    const own = { localAddress: "127.0.0.1" };
    expect((await dial(own, address)).localAddress).toMatch(/^127\.0\.0\.1:/);
  });

  it("reports whom a TLS listener refused", async () => {
    const refused: Error[] = [];
    const { address } = await serve({
      tls: credentials,
      onRefused: (error) => refused.push(error),
    });
    const socket = connect(address).on("error", () => {});
    socket.end("hello, is this plain TCP?");
    while (refused.length === 0) await settle();
    expect(refused[0]).toMatchObject({ code: "QW_TLS_FAILED" });
    socket.destroy();
  });

  it.each<[TransportChoice, RegExp]>([
    [{ tls: credentials, insecure: "wireguard" }, /contradict each other/],
    [{ insecure: "yes" } as unknown as TransportChoice, /is "loopback" or "wireguard", not "yes"/],
    [{ insecure: "verified" } as unknown as TransportChoice, /not "verified"/],
    [{ interfaceName: "" }, /`interfaceName` is empty/],
    [{ interfaceName: "wg0", interfaceWaitMs: -1 }, /`interfaceWaitMs` is -1/],
    [{ interfaceName: "wg0", interfaceWaitMs: Number.NaN }, /`interfaceWaitMs` is NaN/],
    [{ interfaceName: "wg0", interfaceNetworks: ["ten"] }, /is not a network/],
    [{ interfaceNetworks: ["ten"] }, /is not a network/],
    [{ tls: credentials, interfaceNetworks: ["10.0.0.0/8"] }, /nothing without `interfaceName`/],
    [{ localAddress: "wg0" }, /localAddress is "wg0"/],
  ])("refuses options that cannot work: case %#", (options, message) => {
    expect(() => chooseTransport({ network, ...options })).toThrow(
      expect.objectContaining({
        code: "QW_OPTIONS_INVALID",
        message: expect.stringMatching(message),
      }),
    );
  });
});

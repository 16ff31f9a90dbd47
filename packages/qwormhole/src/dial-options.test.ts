/** Local addresses, families and interface bindings over real sockets. */
import { afterEach, describe, expect, it } from "vitest";
import { bindToInterface } from "./interface-binding.js";
import type { NetworkInterfaces } from "./network-interfaces.js";
import { systemLinkClock } from "./system-clock.js";
import { tcpTransport } from "./tcp-transport.js";
import { settle, testAuthority } from "./testing/index.js";
import { tlsTransport } from "./tls-transport.js";
import type { Channel, DialOptions, Listener, Transport } from "./transport.js";

/** A machine whose tunnel has addresses that every Linux has. */
const tunnel: NetworkInterfaces = {
  list: () => [
    { name: "wg0", address: "127.0.9.5", family: 4, cidr: "127.0.9.5/24", internal: false },
  ],
  isWireGuard: () => false,
};

// Only Linux has all of 127.0.0.0/8 without being told.
describe.skipIf(process.platform !== "linux")("with sockets", () => {
  const listeners: Listener[] = [];
  const channels: Channel[] = [];
  afterEach(async () => {
    for (const channel of channels.splice(0)) channel.destroy();
    for (const listener of listeners.splice(0)) await listener.close();
  });
  const authority = testAuthority();

  const kinds: [string, () => Transport][] = [
    ["tcp", () => tcpTransport({ insecure: "loopback" })],
    [
      "tls",
      () => {
        const { credentials } = authority.issue("node");
        return tlsTransport({ credentials: () => credentials });
      },
    ],
  ];

  async function serve(transport: Transport, host: string) {
    const accepted: Channel[] = [];
    const listener = await transport.listen({ host, port: 0 }, (channel) => {
      accepted.push(channel);
      channels.push(channel);
      channel.setHandlers({ onData() {}, onDrain() {}, onClose() {} });
    });
    listeners.push(listener);
    return { accepted, address: listener.address };
  }

  it.each(kinds)("%s dials from the interface's address", async (_name, make) => {
    const bound = bindToInterface(make(), {
      interfaceName: "wg0",
      network: tunnel,
      clock: systemLinkClock(),
    });
    const { accepted, address } = await serve(make(), "127.0.9.1");
    const channel = await bound.dial(address);
    channels.push(channel);
    expect(channel.localAddress).toMatch(/^127\.0\.9\.5:/);
    while (accepted.length === 0) await settle();
    expect(accepted[0]?.remoteAddress).toBe(channel.localAddress);
  });

  it.each(kinds)("%s refuses and reports a peer from outside", async (_name, make) => {
    const refused: { error: Error; from: string }[] = [];
    const bound = bindToInterface(make(), {
      interfaceName: "wg0",
      network: tunnel,
      clock: systemLinkClock(),
      onRefused: (error, from) => refused.push({ error, from }),
    });
    const { accepted, address } = await serve(bound, "0.0.0.0");
    expect(address.host).toBe("127.0.9.5");
    const outsider = await make().dial(address, { localAddress: "127.0.8.8" });
    channels.push(outsider);
    const closed = new Promise<number>((resolve) => {
      let bytes = 0;
      const onData = (piece: Uint8Array) => {
        bytes += piece.length;
      };
      outsider.setHandlers({ onData, onDrain() {}, onClose: () => resolve(bytes) });
    });
    expect(await closed).toBe(0);
    expect(refused).toMatchObject([{ error: { code: "QW_PEER_OUTSIDE_NETWORK" } }]);
    expect(refused[0]?.from).toBe(outsider.localAddress);
    channels.push(await make().dial(address, { localAddress: "127.0.9.8" }));
    while (accepted.length === 0) await settle();
    expect(accepted[0]?.remoteAddress).toMatch(/^127\.0\.9\.8:/);
  });

  it.each(kinds)("%s names a local address that is not of this machine", async (_name, make) => {
    const { address } = await serve(make(), "127.0.9.1");
    await expect(make().dial(address, { localAddress: "192.0.2.77" })).rejects.toMatchObject({
      code: "QW_DIAL_FAILED",
      message: expect.stringContaining("from 192.0.2.77: this machine has no such address"),
    });
  });

  it.each<[string, DialOptions, string]>([
    ["is no address", { localAddress: "wg0" }, '"wg0" is not an IP address'],
    ["is of the wrong family", { localAddress: "::1" }, "cannot be dialled by the local address"],
    ["has another family than asked", { localAddress: "127.0.0.1", family: 6 }, "not of IPv6"],
    ["is not the target's family", { family: 6 }, "cannot be dialled by IPv6: it is of IPv4"],
  ])("refuses a local address that %s", async (_name, options, message) => {
    for (const [, make] of kinds) {
      const dial = make().dial({ host: "127.0.0.1", port: 9 }, options);
      await expect(dial).rejects.toMatchObject({
        code: "QW_OPTIONS_INVALID",
        message: expect.stringContaining(message),
      });
    }
  });

  it("dials an IPv4-mapped address from an IPv4 address", async () => {
    const transport = tcpTransport({ insecure: "wireguard" });
    const { address } = await serve(transport, "127.0.0.1");
    const mapped = { ...address, host: "::ffff:127.0.0.1" };
    const channel = await transport.dial(mapped, { localAddress: "127.0.0.9" });
    channels.push(channel);
    expect(channel.localAddress).toMatch(/^127\.0\.0\.9:/);
  });

  it("dials a name by the family that was asked for", async () => {
    const transport = tcpTransport({ insecure: "loopback" });
    const { address } = await serve(transport, "127.0.0.1");
    const channel = await transport.dial({ ...address, host: "localhost" }, { family: 4 });
    channels.push(channel);
    expect(channel.remoteAddress).toBe(`127.0.0.1:${address.port}`);
  });
});

/** Where plain TCP is allowed; over real sockets as far as one machine has the addresses. */
import { afterEach, describe, expect, it } from "vitest";
import {
  type InterfaceAddress,
  type NetworkInterfaces,
  systemNetworkInterfaces,
} from "./network-interfaces.js";
import { VerifiedWireGuardOnly } from "./plain-tcp-rules.js";
import { type TcpTransportOptions, tcpTransport } from "./tcp-transport.js";
import { settle } from "./testing/index.js";
import type { Channel, Listener } from "./transport.js";

/** Interfaces with names that begin with "wg" are WireGuard. */
function machine(...entries: [string, string][]): NetworkInterfaces {
  const list = entries.map(([name, cidr]): InterfaceAddress => {
    const [address = ""] = cidr.split("/");
    const family = address.includes(":") ? 6 : 4;
    return { name, address, family, cidr, internal: name === "lo" };
  });
  return { list: () => list, isWireGuard: (name) => name.startsWith("wg") };
}

const home = machine(
  ["lo", "127.0.0.1/8"],
  ["eth0", "192.0.2.5/24"],
  ["eth0", "2001:db8::5/64"],
  ["wg0", "10.0.0.1/24"],
  ["wg0", "fd00::1/64"],
);
const refusal = (message: string | RegExp) =>
  expect.objectContaining({
    code: "QW_INSECURE_REFUSED",
    message: typeof message === "string" ? message : expect.stringMatching(message),
  });

describe("verified plain TCP", () => {
  const rules = new VerifiedWireGuardOnly(home);

  it.each([
    "127.0.0.1",
    "127.9.9.9",
    "::1",
    "localhost",
    "10.0.0.1",
    "fd00::1",
    "FD00:0::1",
    "::ffff:10.0.0.1",
  ])("listens on %s", (host) => {
    expect(() => rules.checkListen(host)).not.toThrow();
  });

  it.each([
    ["0.0.0.0", /^plain TCP on all addresses \(0\.0\.0\.0\): name the address of a WireGuard/],
    ["::", /^plain TCP on all addresses \(::\): name the address of a WireGuard interface/],
    ["::ffff:0.0.0.0", /all addresses.*interfaceName.*set `tls`.*insecure: "wireguard"/],
    ["node.example", /^plain TCP on the name node.example: name the address/],
    ["192.0.2.5", /belongs to eth0, which this machine does not know as WireGuard; set `tls`/],
    ["2001:db8::5", /belongs to eth0/],
  ])("does not listen on %s", (host, message) => {
    expect(() => rules.checkListen(host)).toThrow(refusal(message));
  });

  it("tells an address that the machine does not have from one that is not safe", () => {
    expect(() => rules.checkListen("10.0.0.9")).toThrow(
      expect.objectContaining({ code: "QW_LISTEN_FAILED" }),
    );
  });

  it.each(["127.0.0.1", "::1", "localhost", "a.name", "10.0.0.2", "fd00::2", "::ffff:10.0.0.2"])(
    "dials %s",
    (host) => {
      expect(() => rules.checkDial(host)).not.toThrow();
    },
  );

  it.each([
    ["192.0.2.9", /is not in the networks of wg0; .*`interfaceNetworks`; or set `tls`, or say/],
    ["10.0.1.1", /is not in the networks of wg0/],
    ["::ffff:192.0.2.9", /is not in the networks of wg0/],
    ["fe80::1%wg0", /is not in the networks of wg0/],
  ])("does not dial %s", (host, message) => {
    expect(() => rules.checkDial(host)).toThrow(refusal(message));
  });

  it("says so when no tunnel is up", () => {
    const bare = new VerifiedWireGuardOnly(machine(["lo", "127.0.0.1/8"], ["eth0", "10.0.0.4/24"]));
    expect(() => bare.checkDial("10.0.0.2")).toThrow(refusal(/no WireGuard interface is up/));
  });

  it.each<[string, string]>([
    ["10.0.0.1", "10.0.0.2"],
    ["10.0.0.1", "10.0.0.1"],
    ["::ffff:10.0.0.1", "::ffff:10.0.0.2"],
    ["fd00::1", "fd00::2"],
    ["127.0.0.1", "127.0.0.1"],
    ["::1", "::1"],
    ["::ffff:127.0.0.1", "::ffff:127.0.0.1"],
  ])("keeps a connection from %s to %s", (local, remote) => {
    expect(() => rules.checkConnection(local, remote)).not.toThrow();
  });

  it.each<[string, string, RegExp]>([
    ["192.0.2.5", "192.0.2.9", /^plain TCP on 192\.0\.2\.5: the address belongs to eth0/],
    ["10.0.0.1", "192.0.2.9", /^plain TCP to 192\.0\.2\.9: it is not in the networks of wg0/],
    ["192.0.2.5", "10.0.0.2", /belongs to eth0/],
    ["127.0.0.1", "192.0.2.9", /no interface any more/],
    ["10.0.0.9", "10.0.0.2", /no interface any more/],
    ["10.0.0.1", "127.0.0.1", /not in the networks of wg0/],
  ])("drops a connection from %s to %s", (local, remote, message) => {
    expect(() => rules.checkConnection(local, remote)).toThrow(refusal(message));
  });

  it("goes by the narrowest network, for there the packets go", () => {
    const office = ["eth0", "10.5.0.9/8"] as [string, string];
    const tunnel = ["wg0", "10.0.0.1/24"] as [string, string];
    const wide = new VerifiedWireGuardOnly(machine(office, tunnel));
    expect(() => wide.checkConnection("10.0.0.1", "10.0.0.2")).not.toThrow();
    const same = new VerifiedWireGuardOnly(machine(["eth0", "10.0.0.9/24"], tunnel));
    const both = /^plain TCP to 10\.0\.0\.2: it lies in the network of eth0 as much as in .* wg0/;
    expect(() => same.checkConnection("10.0.0.1", "10.0.0.2")).toThrow(refusal(both));
    expect(() => same.checkDial("10.0.0.2")).toThrow(refusal(both));
    const narrow = new VerifiedWireGuardOnly(machine(["eth0", "10.0.0.9/25"], tunnel));
    expect(() => narrow.checkDial("10.0.0.2")).toThrow(refusal(both));
    const second = new VerifiedWireGuardOnly(machine(["wg1", "10.0.0.9/25"], tunnel));
    expect(() => second.checkConnection("10.0.0.1", "10.0.0.2")).not.toThrow();
  });

  it("distrusts an address that two interfaces have", () => {
    const twice = new VerifiedWireGuardOnly(
      machine(["wg0", "10.0.0.1/24"], ["eth0", "10.0.0.1/32"]),
    );
    expect(() => twice.checkListen("10.0.0.1")).toThrow(refusal(/belongs to eth0/));
    expect(() => twice.checkConnection("10.0.0.1", "10.0.0.2")).toThrow(refusal(/to eth0/));
  });

  it("knows the networks behind a tunnel that it is told", () => {
    const single = machine(["eth0", "192.0.2.5/24"], ["wg0", "10.0.0.1/32"]);
    const alone = new VerifiedWireGuardOnly(single);
    expect(() => alone.checkDial("10.0.0.2")).toThrow(refusal(/`interfaceNetworks`/));
    const told = new VerifiedWireGuardOnly(single, ["10.0.0.0/24", "0.0.0.0/0"]);
    expect(() => told.checkConnection("10.0.0.1", "10.0.0.2")).not.toThrow();
    expect(() => told.checkConnection("10.0.0.1", "198.51.100.1")).not.toThrow();
    expect(() => told.checkConnection("10.0.0.1", "192.0.2.9")).toThrow(refusal(/eth0/));
    expect(() => new VerifiedWireGuardOnly(single, ["10.0.0.0"])).toThrow(/is not a network/);
  });
});

describe("the TCP transport", () => {
  const open: (Listener | Channel)[] = [];
  afterEach(async () => {
    for (const item of open.splice(0)) "close" in item ? await item.close() : item.destroy();
  });

  async function serve(options: TcpTransportOptions, host: string) {
    const accepted: Channel[] = [];
    const refused: { error: Error; from: string }[] = [];
    const transport = tcpTransport({
      ...options,
      onRefused: (error, from) => refused.push({ error, from }),
    });
    const listener = await transport.listen({ host, port: 0 }, (channel) => {
      accepted.push(channel);
      open.push(channel);
    });
    open.push(listener);
    return { accepted, refused, address: listener.address };
  }

  it("serves loopback when nothing but verified networks is allowed", async () => {
    const options = { insecure: "verified", network: home } as const;
    const { accepted, refused, address } = await serve(options, "127.0.0.1");
    open.push(await tcpTransport(options).dial(address));
    open.push(await tcpTransport(options).dial({ ...address, host: "localhost" }, { family: 4 }));
    while (accepted.length < 2) await settle();
    expect(refused).toEqual([]);
  });

  it("refuses with the addresses of this very machine, too", async () => {
    const transport = tcpTransport({ insecure: "verified" });
    await expect(transport.listen({ host: "0.0.0.0", port: 0 }, () => {})).rejects.toMatchObject({
      code: "QW_INSECURE_REFUSED",
    });
    await expect(transport.dial({ host: "192.0.2.250", port: 9 })).rejects.toMatchObject({
      code: "QW_INSECURE_REFUSED",
    });
  });

  const real = systemNetworkInterfaces();
  const own = real.list().find(({ internal, family }) => !internal && family === 4);
  it.skipIf(own === undefined)("judges each connection anew, at both ends", async () => {
    const { address: host = "", name } = own ?? {};
    let isTunnel = true;
    const network = { list: real.list, isWireGuard: (asked: string) => isTunnel && asked === name };
    const options = { insecure: "verified", network } as const;
    const { accepted, refused, address } = await serve(options, host);
    open.push(await tcpTransport(options).dial(address));
    while (accepted.length === 0) await settle();
    isTunnel = false;
    const outsider = await tcpTransport({ insecure: "wireguard" }).dial(address);
    open.push(outsider);
    let bytes = 0;
    await new Promise<void>((resolve) => {
      const onData = (piece: Uint8Array) => {
        bytes += piece.length;
      };
      outsider.setHandlers({ onData, onDrain() {}, onClose: () => resolve() });
    });
    expect(bytes).toBe(0);
    expect(accepted).toHaveLength(1);
    expect(refused).toMatchObject([
      { error: { code: "QW_INSECURE_REFUSED" }, from: outsider.localAddress },
    ]);
    await expect(tcpTransport(options).dial(address)).rejects.toMatchObject({
      code: "QW_INSECURE_REFUSED",
    });
    await expect(tcpTransport(options).listen({ host, port: 0 }, () => {})).rejects.toMatchObject({
      code: "QW_INSECURE_REFUSED",
    });
  });
});

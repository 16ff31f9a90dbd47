import { describe, expect, it } from "vitest";
import { bindToInterface, type InterfaceBindingOptions } from "./interface-binding.js";
import type { InterfaceAddress, NetworkInterfaces } from "./network-interfaces.js";
import { ManualClock, settle } from "./testing/index.js";
import type { Address, Channel, DialOptions, Listener, Transport } from "./transport.js";

/** The interfaces of a machine, as a test sets them. */
class Machine implements NetworkInterfaces {
  addresses: InterfaceAddress[] = [];
  held = 0;
  looks = 0;

  add(name: string, cidr: string): this {
    const [address = ""] = cidr.split("/");
    const family = address.includes(":") ? 6 : 4;
    this.addresses.push({ name, address, family, cidr, internal: false });
    return this;
  }

  list() {
    this.looks++;
    return this.addresses;
  }

  isWireGuard() {
    return false;
  }

  keepAlive() {
    this.held++;
    return () => void this.held--;
  }
}

/** Writes down what it is asked for and does nothing else. */
class Recorder implements Transport {
  readonly asked: (Address & DialOptions)[] = [];
  fails: (host: string) => Error | undefined = () => undefined;

  async listen(address: Address): Promise<Listener> {
    this.asked.push(address);
    return { address, close: async () => {} };
  }

  async dial(address: Address, options: DialOptions = {}): Promise<Channel> {
    this.asked.push({ ...address, ...options });
    const error = this.fails(address.host);
    if (error !== undefined) throw error;
    return {} as Channel;
  }
}

const tunnel = () => new Machine().add("lo", "127.0.0.1/8").add("wg0", "10.0.0.1/24");

function bind(options: Partial<InterfaceBindingOptions> & { network: Machine }) {
  const inner = new Recorder();
  const clock = new ManualClock();
  const bound = bindToInterface(inner, { interfaceName: "wg0", clock, ...options });
  return { inner, clock, bound };
}

describe("dialling by an interface", () => {
  it("goes out from the interface's address of the target's family", async () => {
    const { inner, bound } = bind({ network: tunnel().add("wg0", "fd00::1/64") });
    await bound.dial({ host: "10.0.0.2", port: 9 });
    await bound.dial({ host: "fd00::2", port: 9 });
    await bound.dial({ host: "::ffff:10.0.0.3", port: 9 });
    expect(inner.asked).toMatchObject([
      { host: "10.0.0.2", port: 9, localAddress: "10.0.0.1", family: 4 },
      { host: "fd00::2", port: 9, localAddress: "fd00::1", family: 6 },
      { host: "10.0.0.3", port: 9, localAddress: "10.0.0.1", family: 4 },
    ]);
  });

  it("looks the address up again at each dial", async () => {
    const network = tunnel();
    const { inner, bound } = bind({ network });
    await bound.dial({ host: "10.0.0.2", port: 9 });
    network.addresses = [];
    network.add("wg0", "10.0.0.7/24");
    await bound.dial({ host: "10.0.0.2", port: 9 });
    expect(inner.asked.map(({ localAddress }) => localAddress)).toEqual(["10.0.0.1", "10.0.0.7"]);
  });

  it("takes the address that was asked for, of several", async () => {
    const network = tunnel().add("wg0", "10.0.0.3/24");
    const { inner, bound } = bind({ network, localAddress: "10.0.0.3" });
    await bound.dial({ host: "10.0.0.2", port: 9 });
    expect(inner.asked[0]?.localAddress).toBe("10.0.0.3");
  });

  it("adds the zone to link-local addresses", async () => {
    const { inner, bound } = bind({ network: tunnel().add("wg0", "fe80::1/64") });
    await bound.dial({ host: "fe80::2", port: 9 });
    expect(inner.asked[0]).toMatchObject({ host: "fe80::2%wg0", localAddress: "fe80::1%wg0" });
    await expect(bound.dial({ host: "fe80::2%eth0", port: 9 })).rejects.toMatchObject({
      code: "QW_PEER_OUTSIDE_NETWORK",
    });
  });

  it("waits for an interface that appears later, and holds the process meanwhile", async () => {
    const network = new Machine().add("lo", "127.0.0.1/8");
    const { inner, clock, bound } = bind({ network });
    const dial = bound.dial({ host: "10.0.0.2", port: 9 });
    await clock.advance(4000);
    expect(inner.asked).toEqual([]);
    expect(network.held).toBe(1);
    expect(network.looks).toBe(17);
    network.add("wg0", "10.0.0.1/24");
    await clock.advance(250);
    await dial;
    expect(inner.asked[0]).toMatchObject({ localAddress: "10.0.0.1" });
    expect(network.held + clock.timers).toBe(0);
  });

  it("waits for an address of the family that is needed", async () => {
    const network = tunnel();
    const { inner, clock, bound } = bind({ network });
    const dial = bound.dial({ host: "fd00::2", port: 9 });
    await clock.advance(1000);
    network.add("wg0", "fd00::1/64");
    await clock.advance(250);
    await dial;
    expect(inner.asked[0]).toMatchObject({ localAddress: "fd00::1" });
  });

  it.each([
    ["10.0.0.2", [], "the interface wg0 is not there or not up; there are lo, eth0"],
    ["fd00::2", ["10.0.0.1/24"], "the interface wg0 has no IPv6 address; it has 10.0.0.1"],
  ])("gives up after the time to wait, towards %s", async (host, own, message) => {
    const network = new Machine().add("lo", "127.0.0.1/8").add("eth0", "192.0.2.1/24");
    for (const cidr of own) network.add("wg0", cidr);
    const { inner, clock, bound } = bind({ network, interfaceWaitMs: 600 });
    const dial = expect(bound.dial({ host, port: 9 })).rejects.toMatchObject({
      code: "QW_INTERFACE_NOT_FOUND",
      message,
    });
    await clock.advance(600);
    await dial;
    expect(inner.asked).toEqual([]);
    expect(network.held).toBe(0);
  });

  it("stops waiting when it is cancelled", async () => {
    const network = new Machine();
    const { clock, bound } = bind({ network });
    const controller = new AbortController();
    const dial = bound.dial({ host: "10.0.0.2", port: 9 }, { signal: controller.signal });
    await settle();
    controller.abort(new Error("enough"));
    await expect(dial).rejects.toMatchObject({ code: "QW_CANCELLED" });
    expect(network.held + clock.timers).toBe(0);
    const late = bound.dial({ host: "10.0.0.2", port: 9 }, { signal: controller.signal });
    await expect(late).rejects.toMatchObject({ code: "QW_CANCELLED" });
  });

  it("sends nothing to an address outside the networks", async () => {
    const { inner, bound } = bind({ network: tunnel(), interfaceNetworks: ["172.16.0.0/12"] });
    await expect(bound.dial({ host: "192.0.2.9", port: 9 })).rejects.toMatchObject({
      code: "QW_PEER_OUTSIDE_NETWORK",
      message: "192.0.2.9 does not lie in the networks of wg0 (10.0.0.1/24, 172.16.0.0/12)",
    });
    expect(inner.asked).toEqual([]);
    await bound.dial({ host: "172.20.0.1", port: 9 });
    expect(inner.asked).toHaveLength(1);
  });
});

describe("dialling a name by an interface", () => {
  const names: Record<string, string[]> = {
    "hub.example": ["2001:db8::1", "192.0.2.1", "10.0.0.2", "10.0.0.3"],
    "far.example": ["192.0.2.1"],
    "six.example": ["fd00::2"],
    "many.example": Array.from({ length: 50 }, (_, index) => `10.0.0.${index + 2}`),
  };
  const lookup = async (host: string) => {
    const found = names[host];
    if (found === undefined) throw new Error("no such name");
    return found;
  };

  it("tries only its addresses inside the networks, one after the other", async () => {
    const { inner, bound } = bind({ network: tunnel(), lookup });
    inner.fails = (host) => (host === "10.0.0.2" ? new Error("silent") : undefined);
    await bound.dial({ host: "hub.example", port: 9 }, { timeoutMs: 3000 });
    expect(inner.asked).toEqual([
      { host: "10.0.0.2", port: 9, localAddress: "10.0.0.1", family: 4, timeoutMs: 1500 },
      { host: "10.0.0.3", port: 9, localAddress: "10.0.0.1", family: 4, timeoutMs: 1500 },
    ]);
  });

  it("fails with the first error when all its addresses fail", async () => {
    const { inner, bound } = bind({ network: tunnel(), lookup });
    inner.fails = (host) => new Error(`${host} is silent`);
    const dial = bound.dial({ host: "many.example", port: 9 });
    await expect(dial).rejects.toThrow("10.0.0.2 is silent");
    expect(inner.asked).toHaveLength(8);
  });

  it("refuses a name that leads outside, and one that leads nowhere", async () => {
    const { inner, bound } = bind({ network: tunnel(), lookup });
    const dial = (host: string, family?: 4 | 6) =>
      bound.dial({ host, port: 9 }, family === undefined ? {} : { family });
    await expect(dial("far.example")).rejects.toMatchObject({ code: "QW_PEER_OUTSIDE_NETWORK" });
    await expect(dial("no.example")).rejects.toMatchObject({
      code: "QW_DIAL_FAILED",
      message: "the address of no.example cannot be found: no such name",
    });
    await expect(dial("far.example", 6)).rejects.toThrow("far.example has no IPv6 address");
    expect(inner.asked).toEqual([]);
  });

  it("waits for an address of the name's family", async () => {
    const network = tunnel();
    const { inner, clock, bound } = bind({ network, lookup });
    const dial = bound.dial({ host: "six.example", port: 9 });
    await clock.advance(500);
    network.add("wg0", "fd00::1/64");
    await clock.advance(250);
    await dial;
    expect(inner.asked[0]).toMatchObject({ host: "fd00::2", localAddress: "fd00::1" });
  });

  it("gives the look-up the time of the dial, and ends it with the signal", async () => {
    const never = () => new Promise<string[]>(() => {});
    const { clock, bound } = bind({ network: tunnel(), lookup: never });
    const late = bound.dial({ host: "hub.example", port: 9 }, { timeoutMs: 700 });
    const isLate = expect(late).rejects.toMatchObject({ code: "QW_DIAL_TIMEOUT" });
    await clock.advance(700);
    await isLate;
    const controller = new AbortController();
    const dial = bound.dial({ host: "hub.example", port: 9 }, { signal: controller.signal });
    await settle();
    controller.abort();
    await expect(dial).rejects.toMatchObject({ code: "QW_CANCELLED" });
    expect(clock.timers).toBe(0);
  });
});

describe("listening on an interface", () => {
  it("turns a wildcard into the interface's address", async () => {
    const { inner, bound } = bind({ network: tunnel().add("wg0", "fd00::1/64") });
    const own = await bound.listen({ host: "0.0.0.0", port: 9 }, () => {});
    await bound.listen({ host: "::", port: 9 }, () => {});
    await bound.listen({ host: "10.0.0.1", port: 9 }, () => {});
    expect(own.address.host).toBe("10.0.0.1");
    expect(inner.asked.map(({ host }) => host)).toEqual(["10.0.0.1", "fd00::1", "10.0.0.1"]);
  });

  it.each([
    ["192.0.2.1", "QW_INTERFACE_NOT_FOUND", "wg0 has no address 192.0.2.1; it has 10.0.0.1"],
    ["::", "QW_INTERFACE_NOT_FOUND", "wg0 has no IPv6 address; it has 10.0.0.1"],
    ["example.org", "QW_OPTIONS_INVALID", "must be 0.0.0.0, ::, or one of its addresses"],
  ])("refuses %s", async (host, code, message) => {
    const network = tunnel().add("eth0", "192.0.2.1/24");
    const { inner, bound } = bind({ network, interfaceWaitMs: 0 });
    await expect(bound.listen({ host, port: 9 }, () => {})).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
    expect(inner.asked).toEqual([]);
  });

  it("refuses a host that is not the local address", async () => {
    const network = tunnel().add("wg0", "10.0.0.3/24");
    const { inner, bound } = bind({ network, localAddress: "10.0.0.3" });
    await bound.listen({ host: "0.0.0.0", port: 9 }, () => {});
    expect(inner.asked[0]?.host).toBe("10.0.0.3");
    await expect(bound.listen({ host: "10.0.0.1", port: 9 }, () => {})).rejects.toMatchObject({
      code: "QW_OPTIONS_INVALID",
    });
  });
});

describe("a local address alone", () => {
  it("is dialled from and listened on", async () => {
    const { inner, bound } = bind({
      network: tunnel(),
      interfaceName: undefined,
      localAddress: "10.0.0.3",
    });
    await bound.dial({ host: "192.0.2.9", port: 9 });
    await bound.listen({ host: "0.0.0.0", port: 9 }, () => {});
    await bound.listen({ host: "192.0.2.1", port: 9 }, () => {});
    expect(inner.asked).toEqual([
      { host: "192.0.2.9", port: 9, localAddress: "10.0.0.3" },
      { host: "10.0.0.3", port: 9 },
      { host: "192.0.2.1", port: 9 },
    ]);
  });

  it.each([["x"], ["0.0.0.0"], ["::"], [""]])("cannot be %j", (localAddress) => {
    expect(() => bind({ network: tunnel(), localAddress })).toThrow(/localAddress is/);
  });

  it("that is not needed leaves the transport as it is", () => {
    const { inner, bound } = bind({ network: tunnel(), interfaceName: undefined });
    expect(bound).toBe(inner);
    expect(() => bind({ network: tunnel(), interfaceNetworks: ["10.0.0.1"] })).toThrow(
      /is not a network/,
    );
  });
});

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { hostOfAddressText, readIpAddress, readIpNetwork } from "./ip-address.js";
import {
  addressOfInterface,
  type InterfaceAddress,
  isInNetworksOf,
  longestPrefixOf,
  systemNetworkInterfaces,
} from "./network-interfaces.js";

const entry = (name: string, cidr: string, more: Partial<InterfaceAddress> = {}) => {
  const [address = ""] = cidr.split("/");
  return { name, address, family: address.includes(":") ? 6 : 4, cidr, internal: false, ...more };
};
const list = [
  entry("lo", "127.0.0.1/8", { internal: true }),
  entry("eth0", "192.0.2.5/24"),
  entry("wg0", "fe80::5/64", { scopeId: 7 }),
  entry("wg0", "10.0.0.1/24"),
  entry("wg0", "10.1.0.1/16"),
  entry("wg0", "fd00::1/64"),
] as InterfaceAddress[];

describe("the own address towards a target", () => {
  it.each([
    ["10.0.0.2", "10.0.0.1"],
    ["::ffff:10.0.0.2", "10.0.0.1"],
    ["10.1.200.3", "10.1.0.1"],
    ["203.0.113.9", "10.0.0.1"],
    ["0.0.0.0", "10.0.0.1"],
    ["::", "fd00::1"],
    ["FD00:0:0::2", "fd00::1"],
    ["2001:db8::1", "fd00::1"],
    ["fe80::9%wg0", "fe80::5"],
    ["example.org", undefined],
  ])("for %s is %s", (target, own) => {
    expect(addressOfInterface(list, "wg0", target)?.address).toBe(own);
  });

  it("is none of another interface or family", () => {
    expect(addressOfInterface(list, "wg1", "10.0.0.2")).toBeUndefined();
    expect(addressOfInterface(list, "eth0", "fd00::2")).toBeUndefined();
    expect(addressOfInterface(list, "wg", "10.0.0.2")).toBeUndefined();
  });

  it("is an IPv4 link-local one only when there is no other", () => {
    const alone = [entry("eth1", "169.254.1.1/16")] as InterfaceAddress[];
    const both = [...alone, entry("eth1", "198.51.100.1/24")] as InterfaceAddress[];
    expect(addressOfInterface(alone, "eth1", "192.0.2.1")?.address).toBe("169.254.1.1");
    expect(addressOfInterface(both, "eth1", "192.0.2.1")?.address).toBe("198.51.100.1");
    expect(addressOfInterface(both, "eth1", "169.254.9.9")?.address).toBe("169.254.1.1");
  });
});

describe("the networks of an interface", () => {
  it.each<[string, boolean, string[]?]>([
    ["10.0.0.255", true],
    ["10.0.1.0", false],
    ["10.1.255.255", true],
    ["::ffff:10.0.0.9", true],
    ["::ffff:a00:9", true],
    ["fd00::ffff", true],
    ["fd00:0:0:1::1", false],
    ["172.16.0.1", false],
    ["172.16.0.1", true, ["172.16.0.0/12"]],
    ["::ffff:172.16.0.1", true, ["172.16.0.0/12"]],
    ["2001:db8::1", false, ["0.0.0.0/0"]],
    ["203.0.113.1", false, ["::/0"]],
    ["2001:db8::1", true, ["0.0.0.0/0", "::/0"]],
    ["fe80::9", false],
    ["fe80::9%eth0", false],
    ["fe80::9%wg0", true],
    ["fe80::9%7", true],
    ["example.org", false],
    ["", false],
  ])("hold %s: %s", (address, isIn, extra = []) => {
    expect(isInNetworksOf(list, "wg0", address, extra)).toBe(isIn);
  });

  it("hold nothing when the interface is not there, whatever lies behind it", () => {
    expect(isInNetworksOf(list, "wg1", "10.0.0.2", ["0.0.0.0/0"])).toBe(false);
  });

  it("are compared by their longest prefix", () => {
    expect(longestPrefixOf(list, "wg0", "10.0.0.2", ["10.0.0.0/8"])).toBe(24);
    expect(longestPrefixOf(list, "wg0", "10.9.0.2", ["10.0.0.0/8"])).toBe(8);
    expect(longestPrefixOf(list, "wg0", "192.0.2.9", ["10.0.0.0/8"])).toBeUndefined();
  });

  it("agree with arithmetic on the bits", () => {
    const ipv4 = fc.nat({ max: 2 ** 32 - 1 });
    fc.assert(
      fc.property(ipv4, ipv4, fc.nat({ max: 32 }), (own, other, bits) => {
        const near = [entry("x", `${dotted(own)}/${bits}`)] as InterfaceAddress[];
        const isIn = bits === 0 || own >>> (32 - bits) === other >>> (32 - bits);
        expect(isInNetworksOf(near, "x", dotted(other), [])).toBe(isIn);
        expect(isInNetworksOf(near, "x", `::ffff:${dotted(other)}`, [])).toBe(isIn);
      }),
    );
  });

  it.each(["10.0.0.0", "10.0.0.0/33", "fd00::/129", "x/8", "10.0.0.0/-1", "fe80::%wg0/64", "/8"])(
    "refuse %s as a network",
    (text) => {
      expect(() => readIpNetwork(text)).toThrow(/is not a network such as/);
    },
  );
});

describe("addresses", () => {
  it("have one form", () => {
    expect(readIpAddress("FE80:0::A%wg0")).toEqual({ family: 6, text: "fe80::a", zone: "wg0" });
    expect(readIpAddress("::ffff:7f00:1")).toEqual({
      family: 4,
      text: "127.0.0.1",
      zone: undefined,
    });
    for (const text of ["", "localhost", "10.0.0", "010.0.0.1", "10.0.0.1/8", "[::1]"]) {
      expect(readIpAddress(text)).toBeUndefined();
    }
  });

  it("are found in the text of a channel's address", () => {
    expect(hostOfAddressText("10.0.0.1:9000")).toBe("10.0.0.1");
    expect(hostOfAddressText("[fe80::1%wg0]:9000")).toBe("fe80::1%wg0");
    expect(hostOfAddressText("unknown")).toBe("unknown");
  });
});

describe("the interfaces of this machine", () => {
  const cleanUp: (() => unknown)[] = [];
  afterEach(async () => {
    for (const step of cleanUp.splice(0).reverse()) await step();
  });

  it("are read", () => {
    const found = systemNetworkInterfaces().list();
    expect(found).toContainEqual(
      expect.objectContaining({ address: "127.0.0.1", family: 4, internal: true }),
    );
  });

  async function machine(platform: NodeJS.Platform) {
    const folder = mkdtempSync(join(tmpdir(), "qwormhole-"));
    cleanUp.push(() => rmSync(folder, { recursive: true, force: true }));
    const device = (name: string, uevent: string, isTun = false) => {
      mkdirSync(join(folder, "class", name), { recursive: true });
      writeFileSync(join(folder, "class", name, "uevent"), uevent);
      if (isTun) writeFileSync(join(folder, "class", name, "tun_flags"), "0x1001\n");
    };
    mkdirSync(join(folder, "sockets"));
    const socket = async (name: string) => {
      const server = createServer().listen(join(folder, "sockets", `${name}.sock`));
      await new Promise((resolve) => server.once("listening", resolve));
      cleanUp.push(() => new Promise((resolve) => server.close(resolve)));
    };
    const network = systemNetworkInterfaces({
      classFolder: join(folder, "class"),
      socketFolder: join(folder, "sockets"),
      platform,
    });
    return { folder, device, socket, network };
  }

  it("are WireGuard on Linux by the type of the device, or by a control socket", async () => {
    const { folder, device, socket, network } = await machine("linux");
    device("wg0", "DEVTYPE=wireguard\nINTERFACE=wg0\nIFINDEX=4\n");
    device("wg1", "INTERFACE=wg1\nIFINDEX=5\n", true);
    await socket("wg1");
    device("eth0", "INTERFACE=eth0\nIFINDEX=2\n");
    device("tun0", "INTERFACE=tun0\nIFINDEX=6\n", true);
    device("br0", "DEVTYPE=bridge\nINTERFACE=br0\nIFINDEX=7\n");
    await socket("br0");
    await socket("gone");
    device("file", "INTERFACE=file\n", true);
    writeFileSync(join(folder, "sockets", "file.sock"), "");
    device("vlan", "DEVTYPE=vlan\nINTERFACE=DEVTYPE=wireguard\n");
    const names = ["wg0", "wg1", "eth0", "tun0", "br0", "gone", "file", "vlan", "absent"];
    expect(names.filter((name) => network.isWireGuard(name))).toEqual(["wg0", "wg1"]);
  });

  it("are WireGuard on macOS by a control socket, and cannot be verified on Windows", async () => {
    for (const platform of ["darwin", "win32"] as const) {
      const { socket, network } = await machine(platform);
      await socket("utun3");
      expect(network.isWireGuard("utun3")).toBe(platform === "darwin");
      expect(network.isWireGuard("utun4")).toBe(false);
    }
  });

  it("are never looked for outside their folder", async () => {
    const { device, network } = await machine("linux");
    device("wg0", "DEVTYPE=wireguard\n");
    const names = [
      "../class/wg0",
      "wg0/",
      "./wg0",
      ".",
      "..",
      "",
      "wg0\0",
      "wg0/.",
      "a".repeat(16),
    ];
    expect(names.filter((name) => network.isWireGuard(name))).toEqual([]);
  });
});

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
}

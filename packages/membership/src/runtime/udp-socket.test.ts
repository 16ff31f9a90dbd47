import { isMeshError } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { formatAddress, parseUdpAddress, systemUdpSocket } from "./udp-socket.js";

const ignore = () => undefined;

describe("an address of UDP", () => {
  it.each([
    ["127.0.0.1:7946", { host: "127.0.0.1", port: 7946 }],
    ["[fe80::1]:1", { host: "fe80::1", port: 1 }],
    ["none:0", undefined],
    ["host.example:7946", undefined],
    ["127.0.0.1:0", undefined],
    ["127.0.0.1:65536", undefined],
    ["fe80::1:1", undefined],
    ["", undefined],
  ])("is read from %j", (text, address) => {
    expect(parseUdpAddress(text)).toEqual(address);
    if (address !== undefined) expect(formatAddress(address)).toBe(text);
  });

  it("within IPv6 is told as itself", () => {
    expect(formatAddress({ host: "::ffff:10.0.0.1", port: 5 })).toBe("10.0.0.1:5");
  });
});

describe("a socket", () => {
  it("says that its port is in use", async () => {
    const first = await systemUdpSocket({ host: "127.0.0.1", port: 0 }, ignore, ignore);
    const failure = await systemUdpSocket(first.address, ignore, ignore).catch((error) => error);
    expect(isMeshError(failure, "MESH_PORT_TAKEN")).toBe(true);
    await first.close();
  });

  it("carries bytes and tells where they came from", async () => {
    const got: [string, string][] = [];
    let heard = ignore as () => void;
    const done = new Promise<void>((resolve) => {
      heard = resolve;
    });
    const onDatagram = (bytes: Uint8Array, source: string) => {
      got.push([Buffer.from(bytes).toString(), source]);
      heard();
    };
    const a = await systemUdpSocket({ host: "127.0.0.1", port: 0 }, onDatagram, ignore);
    const b = await systemUdpSocket({ host: "127.0.0.1", port: 0 }, ignore, ignore);
    b.send(Buffer.from("hello"), a.address);
    await done;
    expect(got).toEqual([["hello", formatAddress(b.address)]]);
    await a.close();
    await b.close();
  });
});

import { describe, expect, it } from "vitest";
import { loadConfig } from "./config/load.js";
import { defaultGateways, ViewerList, viewersOf } from "./viewer-list.js";

const TABLE = [
  "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
  "eth0\t00000000\t0100590A\t0003\t0\t0\t100\t00000000\t0\t0\t0",
  "eth0\t0000590A\t00000000\t0001\t0\t0\t100\t0000FFFF\t0\t0\t0",
  "eth1\t00000000\t0100A8C0\t0002\t0\t0\t200\t00000000\t0\t0\t0",
  "tun0\t00000000\t00000000\t0001\t0\t0\t300\t00000000\t0\t0\t0",
  "",
].join("\n");

describe("the default gateways of a machine", () => {
  it("are those of routes that are up and lead to everywhere through somebody", () => {
    expect(defaultGateways(TABLE, "LE")).toEqual(["10.89.0.1"]);
    expect(defaultGateways(TABLE, "BE")).toEqual(["1.0.89.10"]);
  });

  it("are none in a table that is empty or nonsense", () => {
    for (const text of ["", "x", "a\t00000000", "a\t00000000\tzz\t0003", TABLE.slice(0, 80)]) {
      expect(defaultGateways(text, "LE")).toEqual([]);
    }
  });
});

describe("the list of viewers", () => {
  it("names networks, and the gateway as it is now", () => {
    let table = TABLE;
    const list = new ViewerList(["gateway", "192.168.7.0/24"], () => table);
    expect(list.has("10.89.0.1")).toBe(true);
    expect(list.has("::ffff:10.89.0.1")).toBe(true);
    expect(list.has("192.168.7.200")).toBe(true);
    expect(list.has("10.89.0.2")).toBe(false);
    table = "";
    expect(list.has("10.89.0.1")).toBe(false);
    expect(list.has("")).toBe(false);
  });

  it("names nobody when it is empty, or no gateway is known", () => {
    expect(new ViewerList([], () => TABLE).has("10.89.0.1")).toBe(false);
    expect(new ViewerList(["gateway"], () => "").has("127.0.0.1")).toBe(false);
  });

  it("is of no use for a port that is not open", () => {
    const load = (env: Record<string, string>) =>
      loadConfig({ flags: {}, env: { MESH_HOME: "/nowhere", ...env }, cwd: "/" }).config;
    const viewers = { MESH_HTTP_VIEWERS: "192.0.2.0/24" };
    expect(viewersOf(load(viewers))).toBeUndefined();
    expect(viewersOf(load({ MESH_ENABLED: "true" }))).toBeUndefined();
    const open = viewersOf(load({ ...viewers, MESH_ENABLED: "true" }));
    expect([open?.("192.0.2.9"), open?.("198.51.100.9")]).toEqual([true, false]);
    expect(() => load({ MESH_HTTP_VIEWERS: "everybody" })).toThrow(/not an address or a network/);
  });
});

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { reachableAddresses } from "../addresses.js";
import { describeConfig, loadConfig } from "./load.js";
import { exampleFile } from "./reference.js";

let cwd = "";
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "hearthmesh-config-"));
});
afterEach(() => rmSync(cwd, { recursive: true, force: true }));

const load = (flags = {}, env: Record<string, string> = {}) =>
  loadConfig({ flags, env: { MESH_HOME: cwd, ...env }, cwd });

describe("configuration", () => {
  it("has defaults that serve a first start", () => {
    const { config } = load();
    expect(config.http).toEqual({ host: "127.0.0.1", port: 3000 });
    expect(config.links).toEqual({ host: "0.0.0.0", port: 9000 });
    expect(config).toMatchObject({ replicas: 3, acks: 2, roles: undefined, logLevel: "info" });
  });

  it("takes flags before the environment, .env, the file and defaults, and knows which", () => {
    writeFileSync(
      join(cwd, "mesh.yaml"),
      "http:\n  port: 1001\nlinks:\n  port: 1001\napi: {port: 1001}\nmetrics: {port: 1001}\n",
    );
    writeFileSync(
      join(cwd, ".env"),
      "MESH_HTTP_PORT=1002\nMESH_LINK_PORT=1002\nMESH_API_PORT=1002\n",
    );
    const { config, effective } = load(
      { "http-port": "1004" },
      { MESH_HTTP_PORT: "1003", MESH_LINK_PORT: "1003" },
    );
    expect(
      [config.http, config.links, config.api, config.metrics, config.enrolment].map((d) => d.port),
    ).toEqual([1004, 1003, 1002, 1001, 9001]);
    expect(effective.get("links.port")?.origin).toBe("variable MESH_LINK_PORT");
    expect(effective.get("api.port")?.origin).toBe(".env MESH_API_PORT");
    expect(effective.get("enrolment.port")?.origin).toBe("default");
  });

  it("knows an overlay by its name, in one word or by its peers", () => {
    expect(load().config.overlay).toMatchObject({ type: "none", peers: [], interfaceName: "auto" });
    const named = load({}, { YGGDRASIL_PEERS: "tcp://node-b:9010, tls://[2001:db8::1]:9010" });
    expect(named.config.overlay).toMatchObject({
      type: "yggdrasil",
      peers: ["tcp://node-b:9010", "tls://[2001:db8::1]:9010"],
    });
    writeFileSync(join(cwd, "mesh.yaml"), "overlay: yggdrasil\noverlay.interface: ygg0\n");
    const { config } = load({ "overlay-admin": "unix:///run/ygg.sock" });
    expect(config.overlay).toMatchObject({
      ...{ type: "yggdrasil", interfaceName: "ygg0", adminSocket: "/run/ygg.sock" },
    });
    expect(load({ overlay: "none" }).config.overlay.type).toBe("none");
    const bad = () =>
      load({ "overlay-peer": ["quack://b:1"], "overlay-interface": "a/b", "overlay-admin": "x" });
    expect(bad).toThrow(/overlay.peers .*begin with one of.*overlay.interface.*overlay.adminL/);
  });

  it("shifts default ports, and only those", () => {
    const { config } = load({ "port-base": "100", "api-port": "7777" });
    expect([config.http.port, config.api.port, config.links.port]).toEqual([3100, 7777, 9100]);
  });

  it("understands the variables of the homelab guide", () => {
    const { config } = load(
      {},
      {
        COLLECTIVE_MEMBER_ID: "alice",
        COLLECTIVE_COORDINATOR_ADDRESS: "0.0.0.0:8001",
        COLLECTIVE_BOOTSTRAP_ADDRESS: "0.0.0.0:9101",
        COLLECTIVE_METRICS_ADDRESS: "0.0.0.0:9191",
        COLLECTIVE_LOG_LEVEL: "warn",
      },
    );
    expect(config).toMatchObject({
      memberId: "alice",
      enrolment: { host: "0.0.0.0", port: 9101 },
      metrics: { host: "0.0.0.0", port: 9191 },
      logLevel: "warn",
    });
  });

  it("knows where a container publishes its doors", () => {
    const { config } = load({}, { MESH_API_ADVERTISE: "127.0.0.1:8002,bob.example:8002" });
    expect(config.api).toEqual({
      host: "0.0.0.0",
      port: 8001,
      published: ["127.0.0.1:8002", "bob.example:8002"],
    });
    expect(reachableAddresses(config.api, ["172.20.0.20"])).toEqual([
      "127.0.0.1:8002",
      "bob.example:8002",
      "172.20.0.20:8001",
    ]);
    expect(() => load({ "enrol-advertise": "bob.example" })).toThrowError(/use host:port/);
  });

  it("reports every problem at once, with its place", () => {
    writeFileSync(join(cwd, "mesh.yaml"), "htttp:\n  port: 1\nlog: {level: loud}\n");
    expect(() => load({ capacity: "many" }, { MESH_REPLICAS: "1" })).toThrowError(
      /htttp.port.*not a known key.*many.*not a size.*loud.*acks 2 is more than 1/s,
    );
  });

  it("serves plaintext on loopback only", () => {
    expect(() => load({ "http-host": "0.0.0.0" })).toThrowError(/http.host = "0.0.0.0"/);
  });

  it("reads the mesh settings of guide 1 from .env, and never shows the token", () => {
    writeFileSync(
      join(cwd, ".env"),
      "MESH_ENABLED=true\n" +
        "MESH_HUB=https://hub.example.com    # Optional, for hub and spoke mode\n" +
        "MESH_TOKEN=your_secure_token        # For authenticating with the hub\n",
    );
    const { config } = load();
    expect(config.mesh).toMatchObject({
      enabled: "true",
      hubs: ["https://hub.example.com"],
      token: "your_secure_token",
    });
    expect(config.http.host).toBe("0.0.0.0");
    const shown = JSON.stringify(describeConfig({ flags: {}, env: { MESH_HOME: cwd }, cwd }));
    expect(shown).not.toContain("your_secure_token");
    expect(() => load({}, { MESH_TOKEN: "short" })).toThrowError(/mesh.token = a secret/);
  });

  it("describes itself, also when it is wrong", () => {
    const good = describeConfig({ flags: {}, env: { MESH_HOME: cwd }, cwd });
    expect(good.keys.find((entry) => entry.key === "http.port")).toMatchObject({ value: 3000 });
    const bad = describeConfig({ flags: { acks: "9" }, env: { MESH_HOME: cwd }, cwd });
    expect(bad.problem).toMatch(/acks 9/);
  });

  it("has an example file whose every line is right when it is used", () => {
    const used = exampleFile().replace(/^#((?: {2})?\w+:.*)$/gm, (line, rest: string) =>
      /^ {2}\w+:$/.test(rest) || /^portBase:$/.test(rest) || rest === "certificates:" ? line : rest,
    );
    writeFileSync(join(cwd, "mesh.yaml"), used);
    expect(load().config.links.port).toBe(9000);
    expect(load().effective.get("links.port")?.origin).toBe(join(cwd, "mesh.yaml"));
  });
});

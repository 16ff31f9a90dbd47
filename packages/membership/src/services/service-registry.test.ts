import { type Logger, limits, silentLogger } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { parseService, type ServiceDefinition, type ServiceInput } from "./service-definition.js";
import { ServiceRegistry } from "./service-registry.js";

function registryOf(saved: readonly unknown[] = [], log: Logger = silentLogger) {
  const kept: { list: readonly ServiceDefinition[]; fails: boolean } = { list: [], fails: false };
  const registry = new ServiceRegistry({
    storage: {
      load: async () => saved,
      save: async (list) => {
        if (kept.fails) throw new Error("the disk is full");
        kept.list = list;
      },
    },
    ownPorts: () => [3000, 9000],
    ownAddresses: () => ["192.0.2.10"],
    log,
  });
  return { registry, kept };
}

const service = (more: Partial<ServiceInput> = {}): ServiceInput => ({
  name: "ollama",
  port: 11_434,
  ...more,
});

describe("a service", () => {
  it("has defaults for all but its name and port", () => {
    expect(parseService(service({ capabilities: ["ai", "ai", "a"] }))).toEqual({
      name: "ollama",
      host: "127.0.0.1",
      port: 11_434,
      protocol: "http",
      capabilities: ["a", "ai"],
      health: { kind: "tcp", path: "/", intervalMs: 5_000, timeoutMs: 2_000 },
    });
    expect(parseService(service({ health: { path: "/up?x=1" } })).health.kind).toBe("http");
    expect(parseService(service({ host: "[::1]" })).host).toBe("::1");
  });

  it("is refused with a sentence that names the field", () => {
    const wrong: [Record<string, unknown>, RegExp][] = [
      [{ name: "Ollama" }, /name/],
      [{ name: "" }, /name/],
      [{ name: "a".repeat(64) }, /name/],
      [{ name: "-a" }, /name/],
      [{ port: 0 }, /port/],
      [{ port: 65_536 }, /port/],
      [{ port: "80" }, /port/],
      [{ host: "a b" }, /host/],
      [{ host: "x\r\ny" }, /host/],
      [{ host: "0.0.0.0" }, /every address/],
      [{ host: "::" }, /every address/],
      [{ protocol: "udp" }, /protocol/],
      [{ capabilities: ["AI"] }, /capability/],
      [{ capabilities: ["a".repeat(limits.CAPABILITY_BYTES_MAX + 1)] }, /capability/],
      [{ capabilities: Array.from({ length: 33 }, (_, at) => `c${at}`) }, /at most 32/],
      [{ health: { path: "no-slash" } }, /path/],
      [{ health: { path: "/a b" } }, /path/],
      [{ health: { intervalMs: 1 } }, /interval/],
      [{ health: { timeoutMs: Number.NaN } }, /timeout/],
      [{ protocol: "tcp", health: { kind: "http" } }, /HTTP/],
    ];
    for (const [fields, message] of wrong) {
      expect(() => parseService({ ...service(), ...fields })).toThrow(message);
    }
    for (const junk of [undefined, null, 7, "x", []]) expect(() => parseService(junk)).toThrow();
  });
});

describe("the services of a node", () => {
  it("are kept before they are in force, in order of their names", async () => {
    const { registry, kept } = registryOf();
    let told = 0;
    registry.onChange(() => told++);
    await Promise.all([registry.add(service({ name: "b" })), registry.add(service({ name: "a" }))]);
    expect(kept.list.map(({ name }) => name).sort()).toEqual(["a", "b"]);
    expect(registry.list().map(({ name }) => name)).toEqual(["a", "b"]);
    expect(told).toBe(2);
    kept.fails = true;
    await expect(registry.add(service({ name: "c" }))).rejects.toThrow("disk");
    await expect(registry.remove("a")).rejects.toThrow("disk");
    expect(registry.list().map(({ name }) => name)).toEqual(["a", "b"]);
    expect(told).toBe(2);
  });

  it("have one of each name, and no more than the limit", async () => {
    const { registry } = registryOf();
    await registry.add(service());
    await expect(registry.add(service({ port: 1 }))).rejects.toMatchObject({
      code: "MESH_SERVICE_EXISTS",
      message: expect.stringContaining("ollama"),
    });
    await expect(registry.remove("whisper")).rejects.toMatchObject({
      code: "MESH_NOT_FOUND",
      hint: "It has: ollama.",
    });
    for (let at = 1; at < limits.SERVICES_PER_NODE_MAX; at++) {
      await registry.add(service({ name: `s${at}` }));
    }
    const more = registry.add(service({ name: "one-more" }));
    await expect(more).rejects.toMatchObject({ code: "MESH_LIMIT" });
    expect((await registry.remove("s1")).name).toBe("s1");
    await registry.add(service({ name: "one-more" }));
  });

  it("are never the node itself", async () => {
    const { registry } = registryOf();
    for (const host of ["127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]", "192.0.2.10"]) {
      await expect(registry.add(service({ host, port: 3000 }))).rejects.toMatchObject({
        code: "MESH_BAD_REQUEST",
        message: expect.stringContaining("circle"),
      });
    }
    // Another machine's port is its own affair.
    await registry.add(service({ host: "192.0.2.11", port: 3000 }));
  });

  it("come back from what was saved, without those that cannot be", async () => {
    const warnings: string[] = [];
    const log = { ...silentLogger, warn: (message: string) => void warnings.push(message) };
    const saved = [parseService(service()), { name: "own", port: 3000 }, { name: 7 }, null];
    const { registry } = registryOf(saved, log);
    await registry.load();
    expect(registry.list().map(({ name }) => name)).toEqual(["ollama"]);
    expect(warnings).toHaveLength(3);
  });
});

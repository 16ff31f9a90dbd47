import { type NodeId, silentLogger, systemRandom } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/qwormhole/testing";
import { describe, expect, it } from "vitest";
import { SERVICE_VIEW_MS } from "./limits.js";
import { ServiceAccess } from "./service-access.js";
import { ServiceRegistry } from "./service-registry.js";

async function looked() {
  const clock = new ManualClock();
  const registry = new ServiceRegistry({
    storage: { load: async () => [], save: async () => {} },
    ownPorts: () => [],
    log: silentLogger,
  });
  await registry.add({ name: "wiki", port: 8_080 });
  let looks = 0;
  const access = new ServiceAccess({
    self: "a".repeat(52) as NodeId,
    registry,
    health: { healthOf: () => ({ health: "ok" }) as never, connectFailed() {} },
    announced: () => {
      looks++;
      return [];
    },
    links: { linkTo: () => Promise.reject(new Error("there is no other node")) },
    costMsTo: () => undefined,
    nameOf: () => "attic",
    connect: () => Promise.reject(new Error("nothing listens there")),
    clock,
    random: systemRandom(),
    log: silentLogger,
  });
  return { access, registry, clock, looks: () => looks };
}

describe("the view of all services", () => {
  it("is made once for the requests of a moment", async () => {
    const { access, clock, looks } = await looked();
    for (let count = 0; count < 100; count++) access.resolve("wiki");
    expect(looks()).toBe(1);
    await clock.advance(SERVICE_VIEW_MS);
    access.resolve("wiki");
    expect(looks()).toBe(2);
  });

  it("is made anew at once when a service came or went", async () => {
    const { access, registry } = await looked();
    access.resolve("wiki");
    await registry.add({ name: "ollama", port: 11_434 });
    expect(access.resolve("ollama")).toHaveLength(1);
    await registry.remove("wiki");
    expect(() => access.resolve("wiki")).toThrow(/wiki/);
  });

  it("is made anew at once when a connection could not be opened", async () => {
    const { access, looks } = await looked();
    const [candidate] = access.resolve("wiki");
    await expect(access.openConnection(candidate!)).rejects.toThrow(/nothing listens/);
    access.resolve("wiki");
    expect(looks()).toBe(2);
  });
});

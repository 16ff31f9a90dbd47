import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RuntimeMesh } from "../testing/runtime-mesh.js";

const PATIENCE = { timeout: 30_000, interval: 10 };

let mesh: RuntimeMesh;

beforeEach(async () => {
  mesh = await RuntimeMesh.create();
});

afterEach(async () => {
  await mesh.stop();
});

async function meshOf(...names: string[]): Promise<void> {
  for (const name of names) await mesh.start(name);
  for (const name of names.slice(1)) await mesh.join(name, names[0] as string);
  await vi.waitFor(() => expect(mesh.hasConverged).toBe(true), PATIENCE);
}

describe("a mesh of runtimes", { timeout: 60_000 }, () => {
  it("finds itself by way of one node, and says what its nodes say about themselves", async () => {
    await meshOf("a", "b", "c", "d");
    const { runtime } = mesh.node("d");
    expect(runtime.peer(mesh.nodeId("c"))).toEqual({
      nodeId: mesh.nodeId("c"),
      name: "c",
      state: "alive",
      linkAddresses: ["c:1"],
      capabilities: ["compute"],
      roles: ["storage"],
      site: "garage",
      version: "0.1.0",
      relays: false,
      isHub: false,
    });
    await vi.waitFor(() => {
      expect(runtime.members().every(({ udpHeardAgoMs }) => udpHeardAgoMs !== undefined)).toBe(
        true,
      );
    }, PATIENCE);
    expect(mesh.deaths()).toEqual([]);
  });

  it("notices a crash, and nobody else is called dead", async () => {
    await meshOf("a", "b", "c", "d");
    await mesh.crash("c");
    await vi.waitFor(() => expect(mesh.allSee("c", "dead")).toBe(true), PATIENCE);
    expect(new Set(mesh.deaths().map(({ peer }) => peer.name))).toEqual(new Set(["c"]));
  });
});

/** The commands of the layout and of drains, through a real door to a real coordinator. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { type GatewayServices, HttpMetrics, LoopbackDoor } from "@hearthmesh/gateway";
import type { LayoutChangesResponse } from "@hearthmesh/gateway/contracts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
// Layers hold for what ships; a test may look at both ends of the wire.
import { bytesOf, World } from "../../../collective/src/coordinator/testing/world.js";
import { gatewayFixture } from "../../../gateway/src/testing/index.js";
import { memoryStore } from "../../../store/src/index.js";
import type { Cli } from "../cli.js";
import type { MeshCommand } from "../command.js";
import { runCommand } from "../testing/command-run.js";
import { seemsToRun } from "../testing/running-node.js";
import { layoutApplyCommand } from "./layout-apply.js";
import { layoutRevertCommand } from "./layout-revert.js";
import { layoutShowCommand } from "./layout-show.js";
import { layoutStageCommand } from "./layout-stage.js";
import { nodeDrainCommand } from "./node-drain.js";
import { nodeRemoveCommand } from "./node-remove.js";
import { nodeUndrainCommand } from "./node-undrain.js";

const tools = { clock: systemClock(), random: systemRandom(), log: silentLogger };
const FILES = 20;

let home: string;
let world: World;
let door: LoopbackDoor;
let revoked: string[];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "mesh-layout-"));
  world = await World.start({ nodes: 4 });
  for (let at = 0; at < FILES; at++) await world.put(`/f${at}`, bytesOf(4000, at));
  revoked = [];
  const store = memoryStore({ clock: tools.clock });
  const fixture = await gatewayFixture({ store, ...tools });
  const { authority } = fixture.services;
  const services = {
    ...fixture.services,
    coordinator: world.coordinator,
    authority: new Proxy(authority, {
      get: (real, name) =>
        // The nodes of this world were not enrolled here.
        name === "revoke"
          ? async (_by: unknown, node: string) => void revoked.push(node)
          : Reflect.get(real, name),
    }),
  } as GatewayServices;
  const metrics = new HttpMetrics(async () => []);
  const { credentials } = fixture;
  door = new LoopbackDoor({ host: "127.0.0.1", port: 0, services, metrics, credentials });
  await door.start();
  await seemsToRun(home, `http://127.0.0.1:${door.address?.port}`);
});
afterEach(async () => {
  await door.stop();
  await world.stop();
  await rm(home, { recursive: true, force: true });
});

const run = (make: (cli: Cli) => MeshCommand, ...args: string[]) => runCommand(home, make, args);

const overview = async (...args: string[]): Promise<LayoutChangesResponse> =>
  JSON.parse(await run(layoutShowCommand, "--json", ...args));

describe("mesh layout", () => {
  it("stages, shows what moves, and applies what was shown", async () => {
    expect(await run(layoutShowCommand)).toMatch(/Nothing is staged/);
    const wish = ["--remove", "node-1", "--capacity", "node-2=500MB", "--site", "node-3=attic"];
    const text = await run(layoutStageCommand, ...wish);
    expect(text).toMatch(/^ {2}remove node-1$/m);
    expect(text).toMatch(/^ {2}change node-2: 477 MiB$/m);
    expect(text).toMatch(/^ {2}change node-3: at attic$/m);
    const { staged, preview, layout } = await overview();
    expect(preview).toMatchObject({ isExact: true, total: { chunks: FILES } });
    const gone = preview?.nodes.find(({ name }) => name === "node-1");
    expect(gone?.loses.chunks).toBe(gone?.before.chunks);
    const version = String(staged?.version);
    expect(text).toContain(`mesh layout apply --version ${version}`);
    const older = String(layout.version);
    await expect(run(layoutApplyCommand, "--version", older)).rejects.toMatchObject({
      code: "MESH_LAYOUT_CHANGED",
      exitCode: 5,
    });
    const answer = await run(layoutApplyCommand, "--version", version);
    expect(answer).toMatch(`Layout ${version} holds now.`);
    expect((await overview()).layout.nodes.map(({ name }) => name)).not.toContain("node-1");
  });

  it("forgets what is staged", async () => {
    await run(layoutStageCommand, "--replicas", "2");
    expect((await overview()).staged).toMatchObject({ replicas: 2 });
    expect(await run(layoutRevertCommand)).toMatch(/Nothing is staged/);
    expect((await overview()).staged).toBeNull();
  });

  it("refuses what it does not understand, before it asks anybody", async () => {
    const bad = [
      [],
      ["--replicas", "two"],
      ["--capacity", "node-1"],
      ["--capacity", "node-1=lots"],
      ["--add", "node-1", "--remove", "node-1"],
      ["--remove", "node-1", "--site", "node-1=attic"],
    ];
    for (const args of bad) {
      await expect(run(layoutStageCommand, ...args)).rejects.toMatchObject({ exitCode: 2 });
    }
    await expect(run(layoutStageCommand, "--add", "nobody")).rejects.toMatchObject({
      code: "MESH_NOT_FOUND",
    });
    await expect(run(layoutApplyCommand, "--version", "x")).rejects.toMatchObject({ exitCode: 2 });
  });
});

describe("mesh node drain", () => {
  it("waits until the node is empty, and then it can be removed", async () => {
    const waiting = run(nodeDrainCommand, "node-4", "--wait");
    const isDone = waiting.then(
      () => true,
      () => true,
    );
    // The workers of this world run when they are told.
    for (let walk = 0; walk < 200; walk++) {
      await world.runWorker("repair");
      const ended = await Promise.race([isDone, new Promise((resolve) => setTimeout(resolve, 50))]);
      if (ended === true) break;
    }
    expect(await waiting).toMatch(/^node-4 is drained/m);
    const text = await run(nodeRemoveCommand, "node-4");
    expect(text).toMatch(/^Removed node-4\. Layout \d+ holds now\.$/m);
    expect(revoked).toEqual([world.nodes[3]?.nodeId]);
  });

  it("is refused when it cannot end well, and taken back", async () => {
    await run(nodeDrainCommand, "node-4");
    await expect(run(nodeDrainCommand, "node-3")).rejects.toMatchObject({
      code: "MESH_LAYOUT_UNSAFE",
      exitCode: 5,
    });
    const { node } = JSON.parse(await run(nodeUndrainCommand, "node-4", "--json"));
    expect(node.state).toBe("online");
  });
});

describe("mesh node remove", () => {
  it("refuses while files would be lost with the node, and says how many chunks", async () => {
    const [first, ...others] = world.nodes;
    const [only = ""] = [...(first?.chunks.keys() ?? [])];
    for (const node of others) node.chunks.delete(only as never);
    await expect(run(nodeRemoveCommand, "node-1")).rejects.toMatchObject({
      code: "MESH_LAYOUT_UNSAFE",
      message: expect.stringMatching(/^1 chunk of files is on this node alone/),
    });
    expect(revoked).toEqual([]);
    expect(world.coordinator.layout().nodes).toHaveLength(4);
    expect(await run(nodeRemoveCommand, "node-1", "--force")).toMatch(/^Removed node-1/m);
    expect(revoked).toEqual([first?.nodeId]);
  });
});

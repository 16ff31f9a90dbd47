/** The namespace against a tree in memory: whatever is done, both do and refuse the same. */
import { isMeshError } from "@hearthmesh/core";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import type { Entry } from "../types.js";
import { bytesOf, World } from "./testing/world.js";

type Tree = Map<string, Tree | number>;

class ModelError extends Error {
  constructor(readonly code: string) {
    super(code);
  }
}

function namesIn(path: string): string[] {
  return path.split("/").filter((name) => name !== "");
}

class Model {
  readonly root: Tree = new Map();

  directory(names: readonly string[], missing: string): Tree {
    let tree: Tree = this.root;
    for (const name of names) {
      const next = tree.get(name);
      if (next === undefined) throw new ModelError(missing);
      if (typeof next === "number") throw new ModelError("MESH_NOT_A_DIRECTORY");
      tree = next;
    }
    return tree;
  }

  place(path: string, missing: string): { tree: Tree; name: string } {
    const names = namesIn(path);
    return { tree: this.directory(names.slice(0, -1), missing), name: names.at(-1) ?? "" };
  }

  put(path: string, size: number): void {
    const { tree, name } = this.place(path, "MESH_PARENT_MISSING");
    if (tree.get(name) instanceof Map) throw new ModelError("MESH_IS_A_DIRECTORY");
    tree.set(name, size);
  }

  mkdir(path: string, parents: boolean): void {
    let tree = this.root;
    const names = namesIn(path);
    for (const [index, name] of names.entries()) {
      const isLast = index === names.length - 1;
      const next = tree.get(name);
      if (typeof next === "number") {
        throw new ModelError(isLast ? "MESH_PATH_EXISTS" : "MESH_NOT_A_DIRECTORY");
      }
      if (next !== undefined && isLast && !parents) throw new ModelError("MESH_PATH_EXISTS");
      if (next === undefined && !isLast && !parents) throw new ModelError("MESH_PARENT_MISSING");
      const made: Tree = next ?? new Map();
      tree.set(name, made);
      tree = made;
    }
  }

  move(from: string, to: string, overwrite: boolean): void {
    const source = this.place(from, "MESH_PATH_NOT_FOUND");
    const moved = source.tree.get(source.name);
    if (moved === undefined) throw new ModelError("MESH_PATH_NOT_FOUND");
    const isInside = from !== to && `${to}/`.startsWith(`${from}/`);
    if (moved instanceof Map && isInside) throw new ModelError("MESH_PATH_INVALID");
    const target = this.place(to, "MESH_PARENT_MISSING");
    if (from === to) return;
    const replaced = target.tree.get(target.name);
    if (replaced !== undefined) {
      if (!overwrite) throw new ModelError("MESH_PATH_EXISTS");
      if (typeof replaced === "number" && moved instanceof Map) {
        throw new ModelError("MESH_NOT_A_DIRECTORY");
      }
      if (replaced instanceof Map) {
        if (typeof moved === "number") throw new ModelError("MESH_IS_A_DIRECTORY");
        if (replaced.size > 0) throw new ModelError("MESH_DIRECTORY_NOT_EMPTY");
      }
    }
    source.tree.delete(source.name);
    target.tree.set(target.name, moved);
  }

  remove(path: string, recursive: boolean): void {
    const { tree, name } = this.place(path, "MESH_PATH_NOT_FOUND");
    const removed = tree.get(name);
    if (removed === undefined) throw new ModelError("MESH_PATH_NOT_FOUND");
    if (removed instanceof Map && removed.size > 0 && !recursive) {
      throw new ModelError("MESH_DIRECTORY_NOT_EMPTY");
    }
    tree.delete(name);
  }
}

type Command =
  | { do: "put"; path: string; size: number }
  | { do: "mkdir"; path: string; parents: boolean }
  | { do: "move"; path: string; to: string; overwrite: boolean }
  | { do: "remove"; path: string; recursive: boolean }
  | { do: "restart" };

const path = fc
  .array(fc.constantFrom("a", "b", "ü"), { minLength: 1, maxLength: 4 })
  .map((names) => `/${names.join("/")}`);
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ do: fc.constant("put" as const), path, size: fc.integer({ min: 0, max: 4000 }) }),
  fc.record({ do: fc.constant("mkdir" as const), path, parents: fc.boolean() }),
  fc.record({ do: fc.constant("move" as const), path, to: path, overwrite: fc.boolean() }),
  fc.record({ do: fc.constant("remove" as const), path, recursive: fc.boolean() }),
  { weight: 1, arbitrary: fc.constant({ do: "restart" as const }) },
);

async function onModel(model: Model, step: Command): Promise<void> {
  if (step.do === "put") model.put(step.path, step.size);
  if (step.do === "mkdir") model.mkdir(step.path, step.parents);
  if (step.do === "move") model.move(step.path, step.to, step.overwrite);
  if (step.do === "remove") model.remove(step.path, step.recursive);
}

async function onWorld(world: World, step: Command): Promise<void> {
  if (step.do === "put") await world.put(step.path, bytesOf(step.size, step.size));
  if (step.do === "mkdir") await world.call("file.mkdir", step);
  if (step.do === "move") await world.call("file.move", { ...step, from: step.path });
  if (step.do === "remove") await world.call("file.remove", step);
  if (step.do === "restart") await world.restart();
}

async function outcome(work: Promise<void>): Promise<string> {
  try {
    await work;
    return "done";
  } catch (error) {
    if (error instanceof ModelError) return error.code;
    if (isMeshError(error)) return error.code;
    throw error;
  }
}

async function treeOf(world: World, directory: string): Promise<Tree> {
  const tree: Tree = new Map();
  let after: string | undefined;
  for (;;) {
    const request = { path: directory, limit: 2, ...(after === undefined ? {} : { after }) };
    const page = await world.call<{ entries: Entry[]; more: boolean }>("file.list", request);
    for (const entry of page.entries) {
      const value = entry.kind === "directory" ? await treeOf(world, entry.path) : entry.sizeBytes;
      tree.set(entry.name, value);
    }
    after = page.entries.at(-1)?.name;
    if (!page.more) return tree;
  }
}

function sorted(tree: Tree): unknown[] {
  return [...tree]
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map(([name, value]) => [name, value instanceof Map ? sorted(value) : value]);
}

function totalsOf(tree: Tree): { files: number; bytes: number } {
  const totals = { files: 0, bytes: 0 };
  for (const value of tree.values()) {
    const below = value instanceof Map ? totalsOf(value) : { files: 1, bytes: value };
    totals.files += below.files;
    totals.bytes += below.bytes;
  }
  return totals;
}

describe("the namespace", () => {
  let world: World | undefined;
  afterEach(async () => {
    await world?.stop();
  });

  it("does and refuses what the model does, and sweeps all that nothing leads to", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 30 }), async (steps) => {
        world = await World.start({ nodes: 1, intervals: { garbageGraceMs: 0 } });
        const model = new Model();
        for (const step of steps) {
          const [real, expected] = [
            await outcome(onWorld(world, step)),
            await outcome(onModel(model, step)),
          ];
          expect(`${JSON.stringify(step)}: ${real}`).toBe(`${JSON.stringify(step)}: ${expected}`);
        }
        expect(sorted(await treeOf(world, "/"))).toEqual(sorted(model.root));
        // The walk finds the chunks of files that were refused after they had been stored.
        await world.runWorker("repair");
        await world.runWorker("garbage");
        await world.runWorker("usage");
        expect(await world.rows("d/")).toEqual([]);
        expect(world.coordinator.status().totals).toEqual(totalsOf(model.root));
        // A chunk for each file above the inline limit, and for nothing else.
        const wanted = new Set<number>();
        const collect = (tree: Tree) => {
          for (const value of tree.values()) {
            if (value instanceof Map) collect(value);
            else if (value > 3072) wanted.add(value);
          }
        };
        collect(model.root);
        expect(world.nodes[0]?.chunks.size).toBe(wanted.size);
        await world.stop();
      }),
      { numRuns: 60 },
    );
  });
});

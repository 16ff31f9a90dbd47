import { type MemberId, type NodeId, silentLogger } from "@hearthmesh/core";
import { ManualClock, turns } from "@hearthmesh/core/testing";
import { memoryStore, type Store } from "@hearthmesh/store";
import { describe, expect, it } from "vitest";
import type { Layout, LayoutNode } from "../types.js";
import { LayoutBook } from "./layout-book.js";
import { withNode } from "./layout-change.js";

function nodeOf(index: number): LayoutNode {
  return {
    nodeId: `${index}`.repeat(64).slice(0, 64) as NodeId,
    name: `node-${index}`,
    zone: { memberId: "home.alice" as MemberId, site: "home" },
    capacityBytes: 1 << 30,
  };
}

/** A store whose answers can be held back after the store has done what was asked. */
class HeldStore {
  readonly real = memoryStore({ clock: new ManualClock() });
  readonly #held: (() => void)[] = [];
  isHolding = false;

  get store(): Store {
    return new Proxy<Store>(this.real, {
      get: (real, name) => {
        const value: unknown = Reflect.get(real, name);
        if (typeof value !== "function") return value;
        return async (...parameters: unknown[]) => {
          const answer: unknown = await Reflect.apply(value, real, parameters);
          if (this.isHolding) await new Promise<void>((resolve) => this.#held.push(resolve));
          return answer;
        };
      },
    });
  }

  release(): void {
    this.isHolding = false;
    for (const resolve of this.#held.splice(0)) resolve();
  }
}

async function start() {
  const held = new HeldStore();
  const changes: number[] = [];
  const book = new LayoutBook({
    store: held.store,
    replicas: 3,
    acks: 2,
    log: silentLogger,
    onChanged: ({ version }) => changes.push(version),
  });
  await book.load();
  return { held, book, changes };
}

const names = ({ nodes }: Layout) => nodes.map((node) => node.name);

describe("the layout book", () => {
  it("keeps the newer layout when an older answer of the store comes late", async () => {
    const { held, book } = await start();
    await book.change((layout) => withNode(layout, nodeOf(1)));
    const before = book.layout.version;
    // Reads the layout, changes nothing, and gets its answer after the next change.
    held.isHolding = true;
    const late = book.change((layout) => layout);
    await turns(2);
    held.isHolding = false;
    await book.change((layout) => withNode(layout, nodeOf(2)));
    held.release();
    expect((await late).version).toBe(before);
    expect(book.layout.version).toBe(before + 1);
    expect(names(book.layout)).toEqual(["node-1", "node-2"]);
    expect(book.placement.layout).toBe(book.layout);
  });

  it("keeps the newer layout when the answer to an older change comes late", async () => {
    const { held, book } = await start();
    const late = book.change((layout) => {
      // The transaction of this change is held, and not its read.
      held.isHolding = true;
      return withNode(layout, nodeOf(1));
    });
    await turns(2);
    held.isHolding = false;
    await book.change((layout) => withNode(layout, nodeOf(2)));
    const { version } = book.layout;
    held.release();
    await late;
    expect(book.layout.version).toBe(version);
    expect(names(book.layout)).toEqual(["node-1", "node-2"]);
  });

  it("writes every version once, whoever asks at the same time", async () => {
    const { held, book, changes } = await start();
    const first = book.layout.version;
    const indexes = [1, 2, 3, 4, 5];
    await Promise.all(
      indexes.map((index) => book.change((layout) => withNode(layout, nodeOf(index)))),
    );
    expect(names(book.layout)).toEqual(indexes.map((index) => `node-${index}`));
    expect(book.layout.version).toBe(first + 5);
    expect(changes.slice(-5)).toEqual(indexes.map((index) => first + index));
    for (const version of changes) expect((await book.version(version)).version).toBe(version);
    await expect(book.version(first + 6)).rejects.toMatchObject({ code: "MESH_NOT_FOUND" });
    // Another book over the same store begins with what the store says, and with its own replicas.
    const again = new LayoutBook({
      store: held.store,
      replicas: 2,
      acks: 2,
      log: silentLogger,
      onChanged: () => undefined,
    });
    await again.load();
    expect(again.layout).toEqual({ ...book.layout, version: first + 6, replicas: 2 });
  });
});

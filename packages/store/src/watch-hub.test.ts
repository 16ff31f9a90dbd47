import { limits } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import type { KeyBounds } from "./keys.js";
import { WatchHub } from "./watch-hub.js";

function emptyHub() {
  return new WatchHub({
    revision: () => 1,
    compactedRevision: () => 0,
    readBatches: (_bounds: KeyBounds, fromRevision: number) => ({
      batches: [],
      nextRevision: fromRevision + 1,
    }),
  });
}

describe("WatchHub", () => {
  it("takes a limited number of watchers", async () => {
    const hub = emptyHub();
    const controllers: AbortController[] = [];
    const start = () => {
      const controller = new AbortController();
      controllers.push(controller);
      const watch = hub.watch({ prefix: "" }, { signal: controller.signal });
      return watch[Symbol.asyncIterator]().next();
    };
    const waiting = Array.from({ length: limits.STORE_WATCHERS_MAX }, start);
    await expect(start()).rejects.toMatchObject({ code: "MESH_LIMIT" });
    for (const controller of controllers) controller.abort();
    await Promise.all(waiting);
    const next = start();
    controllers.at(-1)?.abort();
    expect((await next).done).toBe(true);
  });

  it("ends a watch that reads the past without finding anything", async () => {
    const hub = emptyHub();
    const watch = hub.watch({ prefix: "" }, { fromRevision: 1 })[Symbol.asyncIterator]();
    const waiting = watch.next();
    await Promise.resolve();
    hub.close();
    await expect(waiting).rejects.toMatchObject({ code: "MESH_STORE_CLOSED" });
  });
});

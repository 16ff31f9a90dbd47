import type { NodeId } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { inOrder } from "./endpoint-order.js";
import type { EndpointView } from "./endpoint-service.js";

const random = { float: () => 0.5, bytes: (length: number) => new Uint8Array(length) };

function view(name: string, more: Partial<EndpointView> = {}): EndpointView {
  return {
    ...{ name, nodeId: `id-${name}` as NodeId, nodeName: name, kind: "openai", health: "ok" },
    ...{ reason: undefined, models: ["tiny"], requests: 0, requestsAtOnce: 4, costMs: 1 },
    ...{ isLocal: false, url: undefined, hasKey: undefined },
    ...more,
  } as EndpointView;
}

function order(views: readonly EndpointView[], more: object = {}): string[] {
  const choice = { model: "tiny", onlyMembers: undefined, isAvoided: () => false, ...more };
  return inOrder(views, choice, random).map(({ name }) => name);
}

describe("the order of endpoints", () => {
  it("is healthy, free, least loaded, nearest", () => {
    const views = [
      view("failing", { health: "failing" }),
      view("unknown", { health: "unknown" }),
      view("far", { costMs: 40 }),
      view("busy", { requests: 2 }),
      view("here", { isLocal: true, costMs: 0 }),
    ];
    expect(order(views)).toEqual(["here", "far", "busy", "unknown"]);
    expect(
      order([view("full", { requests: 4 }), view("busy", { requests: 3, costMs: 90 })]),
    ).toEqual(["busy", "full"]);
    const large = view("large", { requests: 8, requestsAtOnce: 32, costMs: 30 });
    expect(order([view("small", { requests: 2 }), large])).toEqual(["large", "small"]);
  });

  it("has nobody without the model, and nobody who may not see the prompt", () => {
    const views = [view("a"), view("b", { models: ["other"] }), view("c")];
    expect(order(views).sort()).toEqual(["a", "c"]);
    expect(order(views, { onlyMembers: ["c", "b"] })).toEqual(["c"]);
    expect(order(views, { onlyMembers: ["id-a"] })).toEqual(["a"]);
    expect(order(views, { onlyMembers: [] })).toEqual([]);
  });

  it("has those last that failed a moment ago, and a way that nobody knows", () => {
    const views = [view("a"), view("b", { costMs: undefined }), view("c", { costMs: 7 })];
    expect(order(views)).toEqual(["a", "c", "b"]);
    expect(order(views, { isAvoided: ({ name }: EndpointView) => name === "a" })).toEqual([
      ...["c", "b", "a"],
    ]);
  });
});

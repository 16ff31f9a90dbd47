import { describe, expect, it } from "vitest";
import {
  absent,
  directory,
  moveChange,
  type PathState,
  removeChange,
  TreeModel,
} from "./tree-model.js";

const file = (version: string): PathState => ({ kind: "file", version, sizeBytes: 1 });

function modelWith(entries: Record<string, PathState>): TreeModel {
  const model = new TreeModel("/r");
  model.apply(new Map(Object.entries(entries)));
  return model;
}

describe("TreeModel", () => {
  it("knows what was applied", () => {
    const model = modelWith({ "/r/d": directory, "/r/d/f": file("1") });
    expect(model.paths("file")).toEqual(["/r/d/f"]);
    expect(model.state("/r/none")).toEqual(absent);
    model.apply(moveChange(model, "/r/d", "/r/e"));
    expect(model.paths("directory")).toEqual(["/r", "/r/e"]);
    expect(model.state("/r/e/f")).toEqual(file("1"));
    model.apply(removeChange(model, "/r/e"));
    expect(model.paths("file")).toEqual([]);
  });

  it("keeps both states after an unknown outcome, and all below is unknown too", () => {
    const model = modelWith({ "/r/f": file("1"), "/r/d": directory });
    model.applyPerhaps(new Map([["/r/f", file("2")]]));
    expect(model.state("/r/f")).toBeUndefined();
    expect(model.possible("/r/f")).toEqual([file("1"), file("2")]);
    model.applyPerhaps(removeChange(model, "/r/d"));
    expect(model.isCertain("/r/d/below")).toBe(false);
    expect(model.isCertain("/r")).toBe(true);
    expect(model.unknownGroups).toHaveLength(2);
  });

  it("holds the two ends of an unknown move together", () => {
    const model = modelWith({ "/r/a": file("1") });
    model.applyPerhaps(moveChange(model, "/r/a", "/r/b"));
    const [before, after] = model.unknownGroups[0] ?? [];
    expect(before?.get("/r/a")).toEqual(file("1"));
    expect(before?.get("/r/b")).toEqual(absent);
    expect(after?.get("/r/a")).toEqual(absent);
    expect(after?.get("/r/b")).toEqual(file("1"));
  });
});

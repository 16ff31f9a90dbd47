import { asUnsent, MeshError } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { FilesByWay } from "./files-by-way.js";
import type { FileAccess } from "./http-files.js";

/** Answers every call with its name, or fails. */
function way(name: string, calls: string[], failure?: () => MeshError): FileAccess {
  const call = (method: string) => async () => {
    calls.push(`${name} ${method}`);
    if (failure !== undefined) throw failure();
    return name;
  };
  const made = {
    ...Object.fromEntries(
      ["write", "read", "stat", "makeDirectory", "move", "remove"].map((one) => [one, call(one)]),
    ),
    async *list() {
      yield await call("list")();
    },
  };
  return made as unknown as FileAccess;
}

async function all(entries: AsyncIterable<unknown>): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const entry of entries) found.push(entry);
  return found;
}

const unreachable = () => asUnsent(new MeshError("MESH_UNREACHABLE"));

describe("files by the shortest way", () => {
  it("stay on links where these reach", async () => {
    const calls: string[] = [];
    const files = new FilesByWay(way("links", calls), way("api", calls));
    expect(await files.stat("/a")).toBe("links");
    expect(await all(files.list("/"))).toEqual(["links"]);
    await files.remove("/a");
    expect(calls).toEqual(["links stat", "links list", "links remove"]);
  });

  it("go through the API once no link can be made, and stay there", async () => {
    const calls: string[] = [];
    const files = new FilesByWay(way("links", calls, unreachable), way("api", calls));
    expect(await all(files.list("/"))).toEqual(["api"]);
    await files.makeDirectory("/b");
    expect(calls).toEqual(["links list", "api list", "api makeDirectory"]);
  });

  it("find the way before the bytes of a stream are given away", async () => {
    const calls: string[] = [];
    const files = new FilesByWay(way("links", calls, unreachable), way("api", calls));
    await files.write("/c", (async function* () {})());
    await files.write("/d", (async function* () {})());
    expect(calls).toEqual(["links stat", "api stat", "api write", "api write"]);
  });

  it("repeat nothing that may have been carried out, and no refusal", async () => {
    for (const failure of [
      () => new MeshError("MESH_UNREACHABLE"),
      () => new MeshError("MESH_FORBIDDEN"),
    ]) {
      const calls: string[] = [];
      const files = new FilesByWay(way("links", calls, failure), way("api", calls));
      await expect(files.remove("/a")).rejects.toThrow(failure().message);
      expect(calls).toEqual(["links remove"]);
    }
  });
});

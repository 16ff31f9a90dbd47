/** Transfers in the middle of a large file when their right is gone; real links and nodes. */
import { randomBytes } from "node:crypto";
import { limits, type NodeId } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { testPrincipal } from "../coordinator/testing/grant-policy.js";
import { RealWorld } from "./testing/real-world.js";
import { inPieces, joined } from "./testing/small-world.js";

const MIB = limits.CHUNK_BYTES_MAX;

// Real disks sync at their own pace.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const bytes = randomBytes(32 * MIB);
let world: RealWorld;
beforeEach(async () => {
  world = new RealWorld();
  await world.start(3);
  await world.client("alice", "/:all").write("/big", inPieces(bytes, MIB));
});
afterEach(() => world.stop());

function setGrants(name: string, ...grants: string[]): void {
  world.policy.grant(testPrincipal("person", `${name}@home.alice`, "" as NodeId), ...grants);
}

/** Reads on, and says how far it came. */
async function readOn(pieces: AsyncIterator<Uint8Array>, from: number): Promise<number> {
  let read = from;
  for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) {
    read += next.value.length;
  }
  return read;
}

describe("a reader whose right is gone", () => {
  it("is cut in the middle, and another one goes on", async () => {
    const streams = await Promise.all(
      ["carol", "dave"].map((name) => world.client(name, "/:read").read("/big")),
    );
    const [carol, dave] = streams.map(({ stream }) => stream[Symbol.asyncIterator]());
    const first = (await carol!.next()).value!;
    const other = (await dave!.next()).value!;
    setGrants("carol");
    await expect(readOn(carol!, first.length)).rejects.toMatchObject({ code: "MESH_FORBIDDEN" });
    expect(await readOn(dave!, other.length)).toBe(bytes.length);
  });

  it("goes on with a new ticket when another grant gives the same right", async () => {
    const { stream } = await world.client("carol", "/:read", "/other:read").read("/big");
    const pieces = stream[Symbol.asyncIterator]();
    const first = (await pieces.next()).value!;
    // Gone for a moment, in which the ticket is taken back, and there again.
    setGrants("carol");
    setGrants("carol", "/big:read");
    expect(await readOn(pieces, first.length)).toBe(bytes.length);
  });
});

describe("a writer who loses another right", () => {
  it("goes on with a new ticket", async () => {
    const carol = world.client("carol", "/:read+write");
    const { stream } = await carol.read("/big");
    const reading = stream[Symbol.asyncIterator]();
    await reading.next();
    let taken = 0;
    async function* source() {
      for await (const piece of inPieces(bytes, MIB)) {
        taken += piece.length;
        if (taken === 12 * MIB) setGrants("carol", "/carol:write");
        yield piece;
      }
    }
    const entry = await carol.write("/carol", source());
    expect(entry.sizeBytes).toBe(bytes.length);
    await expect(readOn(reading, 0)).rejects.toMatchObject({ code: "MESH_FORBIDDEN" });
  });
});

describe("a writer whose right is gone", () => {
  it("is cut in the middle, nothing of it is visible, and another one goes on", async () => {
    let taken = 0;
    async function* source(name: string) {
      for await (const piece of inPieces(bytes, MIB)) {
        taken += piece.length;
        if (name === "carol" && taken > 8 * MIB) setGrants("carol");
        yield piece;
      }
    }
    const write = (name: string) =>
      world.client(name, "/:read+write").write(`/${name}`, source(name));
    const [carol, dave] = await Promise.allSettled([write("carol"), write("dave")]);
    expect(carol).toMatchObject({ reason: { code: "MESH_FORBIDDEN" } });
    expect(dave).toMatchObject({ value: { sizeBytes: bytes.length } });
    const alice = world.client("alice", "/:all");
    await expect(alice.stat("/carol")).rejects.toMatchObject({ code: "MESH_PATH_NOT_FOUND" });
    expect(world.coordinator.status().uploadsOpen).toBe(0);
    const { stream } = await alice.read("/dave");
    expect((await joined(stream)).equals(bytes)).toBe(true);
  });
});

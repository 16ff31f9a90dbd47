import { limits, MeshError } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { inPieces, joined, pattern, type SmallWorld, startWorld } from "./testing/small-world.js";

const MIB = limits.CHUNK_BYTES_MAX;
const never = () => new Promise<void>(() => undefined);
const failsWith = (code: string) => expect.objectContaining({ code });

let world: SmallWorld;
beforeEach(async () => {
  world = await startWorld(3);
});
afterEach(() => world.stop());

async function roundTrip(sizeBytes: number, pieceBytes: number): Promise<void> {
  const bytes = pattern(sizeBytes);
  const entry = await world.client.write("/f", inPieces(bytes, pieceBytes));
  expect(entry.sizeBytes).toBe(sizeBytes);
  const { stream } = await world.client.read("/f");
  expect((await joined(stream)).equals(bytes)).toBe(true);
}

describe("writing and reading", () => {
  it("sends small files in one request", async () => {
    await roundTrip(0, 1);
    await roundTrip(1, 1);
    await roundTrip(limits.SMALL_FILE_BYTES_MAX, 1000);
    expect(new Set(world.coordinator.calls)).toEqual(new Set(["file.put", "file.open"]));
  });

  it("cuts larger files in chunks, whatever the pieces are", async () => {
    await roundTrip(limits.SMALL_FILE_BYTES_MAX + 1, 65_536);
    await roundTrip(2 * MIB, 3 * MIB);
    await roundTrip(3 * MIB + 17, 1_000_003);
    expect(world.nodes.every((node) => node.streams === 0)).toBe(true);
  });

  it("tells the coordinator of a long file in segments, with a receipt of every node", async () => {
    await roundTrip(70 * MIB + 5, 4 * MIB);
    expect(world.coordinator.calls.filter((call) => call === "file.segment")).toHaveLength(1);
    expect(world.coordinator.files.get("/f")?.receipts).toHaveLength(71 * 3);
  });

  it("reads any range", async () => {
    const bytes = pattern(3 * MIB + 100);
    await world.client.write("/f", inPieces(bytes, MIB));
    const ranges: [number, number | undefined][] = [
      [0, 0],
      [MIB - 1, MIB],
      [MIB, 2 * MIB - 1],
      [3 * MIB + 99, undefined],
      [10, 10 * MIB],
    ];
    for (const [start, endInclusive] of ranges) {
      const end = endInclusive === undefined ? {} : { endInclusive };
      const { stream } = await world.client.read("/f", { start, ...end });
      const expected = bytes.subarray(start, (endInclusive ?? bytes.length) + 1);
      expect((await joined(stream)).equals(expected)).toBe(true);
    }
    await expect(world.client.read("/f", { start: bytes.length })).rejects.toEqual(
      failsWith("MESH_RANGE_INVALID"),
    );
  });

  it("releases every stream when the reader stops early", async () => {
    await world.client.write("/f", inPieces(pattern(70 * MIB), MIB));
    const { stream } = await world.client.read("/f");
    let count = 0;
    for await (const piece of stream) {
      count += piece.length;
      if (count > 2 * MIB) break;
    }
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(world.nodes.map((node) => node.streams)).toEqual([0, 0, 0]);
  });

  it("holds a bounded number of chunks, however slow the reader is", async () => {
    await world.client.write("/f", inPieces(pattern(100 * MIB), MIB));
    let asked = 0;
    for (const node of world.nodes) node.misbehaviour.onGet = () => void asked++;
    const { stream } = await world.client.read("/f");
    const iterator = stream[Symbol.asyncIterator]();
    await iterator.next();
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    // The window, what the streams' credit lets the three nodes send ahead, and one under way each.
    expect(asked).toBeLessThan(40);
    await iterator.return?.();
  });
});

describe("writing while nodes fail", () => {
  it("goes on when a node is killed in the middle", async () => {
    const victim = world.nodes[1]!;
    victim.misbehaviour.onPut = async ({ index }) => {
      if (index === 5) await victim.kill();
    };
    const bytes = pattern(40 * MIB);
    await world.client.write("/f", inPieces(bytes, MIB));
    victim.misbehaviour = {};
    expect((await joined((await world.client.read("/f")).stream)).equals(bytes)).toBe(true);
    const nodesOf = (index: number) =>
      world.coordinator.files.get("/f")?.receipts.filter((one) => one.index === index).length;
    expect(nodesOf(39)).toBe(2);
  });

  it("is not held up by a node that takes chunks and never answers", async () => {
    world.nodes[2]!.misbehaviour.onPut = never;
    const startMs = world.clock.monotonicMs();
    await world.client.write("/f", inPieces(pattern(60 * MIB), MIB));
    // It may cost some patience, but not the 30 s after which a stuck node is noticed.
    expect(world.clock.monotonicMs() - startMs).toBeLessThan(20_000);
  });

  it("uses the next node when a copy is needed for safety", async () => {
    await world.stop();
    world = await startWorld(5);
    const [broken, full] = [world.nodes[0]!, world.nodes[1]!];
    await broken.kill();
    full.misbehaviour.onPut = () => {
      throw new MeshError("MESH_DISK_FULL");
    };
    await world.client.write("/f", inPieces(pattern(20 * MIB), MIB));
    expect(full.chunks.size + broken.chunks.size).toBe(0);
  });

  it("puts copies in distinct sites, also when the best nodes of one have failed", async () => {
    await world.stop();
    world = await startWorld(6);
    const attic = new Set(world.nodes.slice(3));
    world.coordinator.site = (node) => (attic.has(node) ? "attic" : "home");
    world.nodes[3]!.misbehaviour.onPut = () => {
      throw new MeshError("MESH_DISK_FAILED");
    };
    await world.client.write("/f", inPieces(pattern(20 * MIB), MIB));
  });

  it("says that the disks are full when nothing else is missing", async () => {
    for (const node of world.nodes.slice(1)) {
      node.misbehaviour.onPut = () => {
        throw new MeshError("MESH_DISK_FULL", { message: "the disk is full" });
      };
    }
    const writing = world.client.write("/f", inPieces(pattern(20 * MIB), MIB));
    await expect(writing).rejects.toMatchObject({
      code: "MESH_DISK_FULL",
      message: expect.stringMatching(/node-1: stored; node-2: the disk is full; node-3: the disk/),
    });
    expect(world.coordinator.files.size).toBe(0);
  });

  it("says which nodes failed and why, when too few are left, and ends the upload", async () => {
    await world.nodes[0]!.kill();
    world.nodes[1]!.misbehaviour.onPut = () => {
      throw new MeshError("MESH_DISK_FULL", { message: "the disk is full" });
    };
    const writing = world.client.write("/f", inPieces(pattern(20 * MIB), MIB));
    await expect(writing).rejects.toMatchObject({
      code: "MESH_NO_STORAGE",
      message: expect.stringMatching(/node-1: .*nobody listens.*node-2: the disk is full/),
    });
    expect(world.coordinator.uploads.size).toBe(0);
    expect(world.coordinator.files.size).toBe(0);
  });

  it("waits for a node that comes back", async () => {
    const broken = world.nodes[0]!;
    world.coordinator.acksNeeded = 3;
    let failures = 3;
    broken.misbehaviour.onPut = () => {
      if (failures-- > 0) throw new MeshError("MESH_STOPPING");
    };
    await world.client.write("/f", inPieces(pattern(4 * MIB), MIB));
  });

  it("gets a new ticket when a node refuses the old one", async () => {
    const [first] = world.nodes;
    const refuse = () => {
      if (first!.tickets.size === 1) throw new MeshError("MESH_TICKET_INVALID");
    };
    world.coordinator.acksNeeded = 3;
    for (const misbehaviour of [{ onPut: refuse }, { onOpen: refuse }]) {
      first!.tickets.clear();
      first!.misbehaviour = misbehaviour;
      await world.client.write("/f", inPieces(pattern(4 * MIB), MIB));
      expect(first!.tickets.size).toBeGreaterThan(1);
    }
  });

  it("repeats calls without a coordinator, and finds a commit whose answer was lost", async () => {
    const { coordinator } = world;
    coordinator.onCall = (method, attempt) => {
      if (method === "file.segment" && attempt === 1) throw new MeshError("MESH_UNREACHABLE");
    };
    const call = coordinator.call.bind(coordinator);
    coordinator.call = async (method, header, body) => {
      const answer = await call(method, header, body);
      if (method === "file.commit") throw new MeshError("MESH_UNREACHABLE");
      return answer;
    };
    const entry = await world.client.write("/f", inPieces(pattern(70 * MIB), MIB));
    expect(entry.sizeBytes).toBe(70 * MIB);
  });

  it("ends at once when it is cancelled, and lets go of the source", async () => {
    const stop = new AbortController();
    for (const node of world.nodes) node.misbehaviour.onPut = never;
    let closed = false;
    async function* source() {
      try {
        for (;;) yield pattern(MIB);
      } finally {
        closed = true;
      }
    }
    const writing = world.client.write("/f", source(), { signal: stop.signal });
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    stop.abort(new MeshError("MESH_CANCELLED"));
    await expect(writing).rejects.toEqual(failsWith("MESH_CANCELLED"));
    expect(closed).toBe(true);
    expect(world.coordinator.uploads.size).toBe(0);
  });

  it("passes on the failure of the source", async () => {
    async function* source() {
      yield pattern(3 * MIB);
      throw new Error("the local disk failed");
    }
    await expect(world.client.write("/f", source())).rejects.toThrow("the local disk failed");
    expect(world.coordinator.uploads.size).toBe(0);
  });
});

describe("reading while nodes fail", () => {
  const bytes = pattern(30 * MIB);
  beforeEach(async () => {
    await world.client.write("/f", inPieces(bytes, MIB));
  });

  const readsBack = async () => {
    const { stream } = await world.client.read("/f");
    expect((await joined(stream)).equals(bytes)).toBe(true);
  };

  it("takes another copy when one is damaged, missing, or its node is gone", async () => {
    const [damaged, empty] = [world.nodes[0]!, world.nodes[1]!];
    damaged.misbehaviour.damage = (sent) => {
      const other = Buffer.from(sent);
      other[5] = (other[5] ?? 0) ^ 1;
      return other;
    };
    empty.chunks.clear();
    await readsBack();
    damaged.misbehaviour = {};
    await world.nodes[2]!.kill();
    await readsBack();
  });

  it("goes on when a node dies in the middle", async () => {
    const victim = world.nodes[0]!;
    let given = 0;
    victim.misbehaviour.onGet = async () => {
      if (++given === 4) await victim.kill();
    };
    await readsBack();
  });

  it("does not wait for ever for a node that stands still", async () => {
    world.nodes[0]!.misbehaviour.onGet = never;
    await readsBack();
  });

  it("names the part that no node can give, and what each said", async () => {
    const file = world.coordinator.files.get("/f")!;
    const lost = file.chunks[7]!.id;
    for (const node of world.nodes) node.chunks.delete(lost);
    const { stream } = await world.client.read("/f");
    await expect(joined(stream)).rejects.toMatchObject({
      code: "MESH_CHUNK_UNAVAILABLE",
      message: expect.stringMatching(/bytes 7340032 to 8388607 of \/f \((node-\d: .*){3}\)/),
    });
  });

  it("notices when the file was replaced in the meantime", async () => {
    await world.client.write("/g", inPieces(pattern(100 * MIB), MIB));
    const { stream } = await world.client.read("/g");
    const iterator = stream[Symbol.asyncIterator]();
    await iterator.next();
    await world.client.write("/g", inPieces(pattern(10), 10));
    const rest = joined({ [Symbol.asyncIterator]: () => iterator });
    await expect(rest).rejects.toEqual(failsWith("MESH_PATH_CHANGED"));
  });
});

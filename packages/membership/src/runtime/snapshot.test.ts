import { silentLogger } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/qwormhole/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { id } from "../testing/wire-fixtures.js";
import { SNAPSHOT_INTERVAL_MS, SNAPSHOT_PEERS_MAX } from "./limits.js";
import { PeerMemory } from "./peer-memory.js";
import { parseSnapshot, type SnapshotPeer, type SwimSnapshot } from "./snapshot.js";
import { SnapshotKeeper } from "./snapshot-keeper.js";

const peer = (number: number): SnapshotPeer => ({
  ...{ nodeId: id(number), name: `n${number}`, linkAddresses: ["h:1"], certificate: "AAAA" },
});
const SNAPSHOT: SwimSnapshot = {
  ...{ version: 1, incarnation: 7, peers: [peer(1), peer(2)], forgotten: [id(3)] },
};

describe("a snapshot", () => {
  it("comes back from JSON as it was", () => {
    expect(parseSnapshot(JSON.parse(JSON.stringify(SNAPSHOT)))).toEqual(SNAPSHOT);
  });

  it("loses only the parts that are damaged", () => {
    const damaged = { ...SNAPSHOT, incarnation: -1, peers: [peer(1), { nodeId: "x" }, null] };
    expect(parseSnapshot(damaged)).toEqual({ ...SNAPSHOT, incarnation: 0, peers: [peer(1)] });
    expect(parseSnapshot({ version: 1, peers: 5 })).toMatchObject({ peers: [], forgotten: [] });
  });

  it("is undefined for another version, and never an error", () => {
    expect(parseSnapshot({ ...SNAPSHOT, version: 2 })).toBeUndefined();
    fc.assert(fc.property(fc.anything(), (value) => void parseSnapshot(value)));
  });
});

describe("the memory of peers", () => {
  it("has the most recent ones first, each once, and no more than its limit", () => {
    const memory = new PeerMemory();
    memory.load(SNAPSHOT.peers);
    expect(memory.all).toEqual(SNAPSHOT.peers);
    memory.meet(peer(2));
    expect(memory.all.map(({ name }) => name)).toEqual(["n2", "n1"]);
    for (let number = 10; number < 10 + SNAPSHOT_PEERS_MAX; number++) memory.meet(peer(number));
    expect(memory.all).toHaveLength(SNAPSHOT_PEERS_MAX);
    memory.forget(id(10));
    expect(memory.all.some(({ nodeId }) => nodeId === id(10))).toBe(false);
  });
});

describe("the keeper of snapshots", () => {
  function keeper(save: () => Promise<void>) {
    const clock = new ManualClock();
    const store = { load: async () => SNAPSHOT, save };
    const parts = { store, clock, log: silentLogger, make: () => SNAPSHOT };
    return { clock, keeper: new SnapshotKeeper(parts) };
  }

  it("saves soon after a change, once for many, and again after the next", async () => {
    let saved = 0;
    const { clock, keeper: kept } = keeper(async () => void saved++);
    for (let change = 0; change < 10; change++) kept.changed();
    await clock.advance(SNAPSHOT_INTERVAL_MS - 1);
    expect(saved).toBe(0);
    await clock.advance(1);
    expect(saved).toBe(1);
    kept.changed();
    await clock.advance(SNAPSHOT_INTERVAL_MS);
    expect(saved).toBe(2);
    expect(clock.timers).toBe(0);
  });

  it("survives a disk that fails, in both directions", async () => {
    const { keeper: kept } = keeper(async () => {
      throw new Error("the disk is full");
    });
    await kept.save();
    const clock = new ManualClock();
    const store = {
      load: async () => {
        throw new Error("it cannot be read");
      },
      save: async () => undefined,
    };
    const broken = new SnapshotKeeper({ store, clock, log: silentLogger, make: () => SNAPSHOT });
    expect(await broken.load()).toBeUndefined();
  });
});

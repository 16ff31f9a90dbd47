import { MeshError, silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { type MemoryStore, memoryStore, put } from "@hearthmesh/store";
import { beforeEach, describe, expect, it } from "vitest";
import type { FriendFiles, FriendsPort } from "../copies/friends.js";
import { CopyKeys } from "../copies/index.js";
import type { Entry } from "../types.js";
import { Backup, UNHURRIED } from "./backup.js";
import { lookAtFriends, planRestore } from "./restore-plan.js";
import { openSnapshot } from "./snapshot-seal.js";

const clock = systemClock();
const random = systemRandom();
const signal = new AbortController().signal;
const quiet = { ...UNHURRIED, asked: false };

/** A friend whose files are in memory; the real one is in the integration test. */
class MemoryFriend {
  readonly files = new Map<string, Uint8Array>();
  room = 1 << 30;
  away = false;
  /** Gives more than it was asked for, without an end. */
  endless = false;
  given = 0;

  port(): FriendFiles {
    const here = () => {
      if (this.away) throw new MeshError("MESH_UNREACHABLE");
    };
    const bytesAt = (path: string) => {
      here();
      const bytes = this.files.get(path);
      if (bytes === undefined) throw new MeshError("MESH_PATH_NOT_FOUND");
      return bytes;
    };
    const entryOf = (bytes: Uint8Array) => ({ sizeBytes: bytes.length }) as Entry;
    return {
      stat: async (path) => entryOf(bytesAt(path)),
      read: async (path, { start = 0, endInclusive = Number.MAX_SAFE_INTEGER } = {}) => {
        const bytes = bytesAt(path);
        const part = bytes.subarray(start, endInclusive + 1);
        return {
          entry: entryOf(bytes),
          stream: this.#give(part),
        };
      },
      write: async (path, source) => {
        const pieces: Uint8Array[] = [];
        for await (const piece of source) pieces.push(piece);
        here();
        const bytes = Buffer.concat(pieces);
        if (bytes.length > this.room) throw new MeshError("MESH_QUOTA");
        this.files.set(path, bytes);
        return entryOf(bytes);
      },
      makeDirectory: async () => undefined,
      remove: async () => {
        throw new Error("nothing removes a snapshot");
      },
      list: () => {
        throw new Error("nothing lists at a friend");
      },
    };
  }

  async *#give(part: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
    do {
      this.given += part.length;
      if (this.given > 1 << 28) throw new Error("somebody keeps all of it");
      yield part;
    } while (this.endless);
  }
}

let friends: Map<string, MemoryFriend>;
let store: MemoryStore;
const keys = new CopyKeys(random.bytes(32));
let packs: number;

const port = (): FriendsPort => ({
  list: () => [...friends.keys()].map((trustDomain) => ({ trustDomain, alias: trustDomain })),
  askOffer: async (trustDomain) => {
    const friend = friends.get(trustDomain);
    if (friend?.away === true) throw new MeshError("MESH_UNREACHABLE");
    return { bytes: friend?.room ?? 0, usedBytes: 0, withdrawn: false };
  },
  files: (trustDomain) => (friends.get(trustDomain) as MemoryFriend).port(),
});

function backupOn(target: MemoryStore, intervalMs = 0): Backup {
  return new Backup({
    ...{ store: target, keys, memberId: "alice", ownDomain: "home.alice", owner: "spiffe://x" },
    ...{ friends: port(), intervalMs, clock, random, log: silentLogger },
    home: async () => ({ "node.json": "{}" }),
    spool: async (source) => {
      packs++;
      const pieces: Uint8Array[] = [];
      for await (const piece of source) pieces.push(piece);
      return async function* () {
        yield* pieces;
      };
    },
  });
}

const places = () => ({ keys, ownDomain: "home.alice", friends: port() });
const write = (key: string, value: string, target = store) =>
  target.transact({ success: [put(key, Buffer.from(value))] });

async function plan() {
  return planRestore(await lookAtFriends(places(), [...friends.keys()], signal));
}

async function rowsOf(member: string, path: string, name: string): Promise<Map<string, string>> {
  const bytes = friends.get(member)?.files.get(path) ?? new Uint8Array(0);
  const stream = (async function* () {
    yield bytes;
  })();
  const open = await openSnapshot(keys, name, { bytes: bytes.length, stream });
  const rows = new Map<string, string>();
  for await (const { key, value } of open.rows) rows.set(key, Buffer.from(value).toString());
  return rows;
}

beforeEach(async () => {
  packs = 0;
  friends = new Map([
    ["garage.bob", new MemoryFriend()],
    ["office.carol", new MemoryFriend()],
  ]);
  store = memoryStore({ clock });
  await write("coordinator/epoch", "5");
  await write("f/1/a", "first");
});

describe("snapshots at friends", () => {
  it("go to every friend, and come back as they were", async () => {
    await backupOn(store).run(signal, quiet);
    const { candidates, behind } = await plan();
    expect(candidates.map(({ epoch, sequence }) => [epoch, sequence])).toEqual([
      [5, 1],
      [5, 1],
    ]);
    expect(behind).toEqual([]);
    for (const { member, path, name } of candidates) {
      expect((await rowsOf(member, path, name)).get("f/1/a")).toBe("first");
    }
  });

  it("are written when something has changed, and only the last three are kept", async () => {
    const backup = backupOn(store);
    for (let round = 1; round <= 5; round++) {
      await write("f/1/a", `round ${round}`);
      await backup.run(signal, quiet);
      await backup.run(signal, quiet);
    }
    expect(packs).toBe(5);
    expect(friends.get("garage.bob")?.files.size).toBe(3);
    const { candidates } = await plan();
    expect(candidates.slice(0, 2).map(({ sequence }) => sequence)).toEqual([5, 5]);
    const [newest] = candidates;
    if (newest === undefined) throw new Error("there is no snapshot");
    expect((await rowsOf(newest.member, newest.path, newest.name)).get("f/1/a")).toBe("round 5");
  });

  it("are not made for what nobody needs, such as when a node was seen", async () => {
    const backup = backupOn(store);
    await backup.run(signal, quiet);
    const before = [...(friends.get("garage.bob")?.files.keys() ?? [])];
    await write("n/node", "seen again");
    await backup.run(signal, quiet);
    expect(packs).toBe(2);
    expect([...(friends.get("garage.bob")?.files.keys() ?? [])]).toEqual(before);
  });

  it("wait for their time, but not for a friend that has none yet", async () => {
    const backup = backupOn(store, 3_600_000);
    await backup.run(signal, quiet);
    await write("f/1/a", "second");
    await backup.run(signal, quiet);
    expect(packs).toBe(1);
    friends.set("shed.dave", new MemoryFriend());
    await backup.run(signal, quiet);
    expect((await plan()).candidates.map(({ sequence }) => sequence)).toContain(2);
    await write("f/1/a", "third");
    await backup.run(signal, { ...quiet, asked: true });
    expect((await plan()).candidates[0]?.sequence).toBe(3);
  });

  it("are caught up with by a friend that was away or had no room", async () => {
    const carol = friends.get("office.carol") as MemoryFriend;
    carol.away = true;
    const backup = backupOn(store);
    await backup.run(signal, quiet);
    expect(
      (await backup.status()).map(({ newest, failure }) => [newest?.sequence, failure]),
    ).toEqual([
      [1, undefined],
      [undefined, expect.any(String)],
    ]);
    carol.away = false;
    await backup.run(signal, quiet);
    expect((await backup.status()).map(({ newest }) => newest?.sequence)).toEqual([2, 2]);
  });

  it("of the coordinator before a restore never take the place of those after it", async () => {
    await backupOn(store).run(signal, quiet);
    const restored = memoryStore({ clock });
    await write("coordinator/epoch", "1000005", restored);
    await write("f/1/a", "restored", restored);
    await backupOn(restored).run(signal, quiet);
    await write("f/1/a", "back from the dead");
    await expect(backupOn(store).run(signal, quiet)).rejects.toMatchObject({
      code: "MESH_EPOCH_OLD",
    });
    const { candidates } = await plan();
    expect(candidates[0]?.epoch).toBe(1_000_005);
  });

  it("that a friend set back or damaged are found out by those of another", async () => {
    const backup = backupOn(store);
    await backup.run(signal, quiet);
    const bob = friends.get("garage.bob") as MemoryFriend;
    const old = new Map(bob.files);
    await write("f/1/a", "second");
    await backup.run(signal, quiet);
    bob.files.clear();
    for (const [path, bytes] of old) bob.files.set(path, bytes);
    expect((await plan()).behind).toEqual(["garage.bob"]);
    expect((await plan()).candidates[0]?.member).toBe("office.carol");
    for (const bytes of bob.files.values()) bytes[100] = (bytes[100] as number) ^ 1;
    const [, findings] = [0, await lookAtFriends(places(), ["garage.bob"], signal)];
    expect(findings[0]?.damaged).toHaveLength(1);
    expect(findings[0]?.snapshots).toEqual([]);
  });

  it("do not fill the memory with what a friend gives beyond what was asked for", async () => {
    await backupOn(store).run(signal, quiet);
    const bob = friends.get("garage.bob") as MemoryFriend;
    Object.assign(bob, { endless: true, given: 0 });
    const [findings] = await lookAtFriends(places(), ["garage.bob"], signal);
    expect(findings?.failure).toBeUndefined();
    expect(findings?.snapshots).toEqual([]);
    expect(findings?.damaged.join()).toMatch(/more of it came than was asked for/);
  });

  it("go on counting above what friends have, when their number was lost here", async () => {
    const backup = backupOn(store);
    for (const value of ["1", "2", "3", "4"]) {
      await write("f/1/a", value);
      await backup.run(signal, quiet);
    }
    const older = memoryStore({ clock });
    await write("coordinator/epoch", "5", older);
    await backupOn(older).run(signal, quiet);
    expect((await plan()).candidates[0]?.sequence).toBe(5);
  });
});

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  encodeMessage,
  type NodeId,
  silentLogger,
  systemClock,
  systemRandom,
} from "@hearthmesh/core";
import {
  createMemberCa,
  generateKeyPair,
  type KeyPairPem,
  type MemberCa,
  type PoolRoster,
  poolIdOf,
  poolRootOf,
  publicKeyDerOf,
  signerOf,
  signPoolRoster,
} from "@hearthmesh/identity";
import type { OpenLink } from "@hearthmesh/membership";
import { signMemberStatement } from "@hearthmesh/pool/membership";
import type { IncomingRequest, Link } from "@hearthmesh/qwormhole";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PoolBook } from "./pool-book.js";
import { decodeExchange, EXCHANGE_METHOD } from "./pool-messages.js";
import { PoolPart } from "./pool-part.js";

const tools = { clock: systemClock(), random: systemRandom(), log: silentLogger };
let folder: string;
let ca: MemberCa;
let root: string;
let poolId: string;
let machines: Machine[] = [];

/** A node of the pool: its part, and links to others that are calls of functions. */
class Machine {
  readonly key: KeyPairPem = generateKeyPair();
  readonly home: string;
  readonly part: PoolPart;
  readonly open = new Set<OpenLink>();
  readonly alive = new Set<NodeId>();
  readonly #onLink = new Set<(open: OpenLink, isOpen: boolean) => void>();
  readonly #onSwim = new Set<() => void>();
  requests = 0;

  constructor(
    readonly name: string,
    readonly kind: "coordinator" | "node" = "node",
  ) {
    this.home = join(folder, name);
    this.part = this.make();
    machines.push(this);
  }

  make(): PoolPart {
    const { key, home } = this;
    const publicKey = publicKeyDerOf(key.publicKeyPem);
    return new PoolPart({
      home,
      self: key.nodeId,
      root,
      signer: { publicKey, sign: signerOf(key.privateKeyPem) },
      capacity: 1,
      addresses: () => ["192.0.2.1:9000"],
      links: {
        openLinks: () => [...this.open],
        onLink: (listener) => subscribe(this.#onLink, listener),
      },
      swim: {
        peer: (nodeId) =>
          this.alive.has(nodeId)
            ? ({ state: "alive", linkAddresses: ["192.0.2.9:9000"] } as never)
            : undefined,
        peers: () => [],
        onChange: (listener) => subscribe(this.#onSwim, listener as () => void),
      },
      authority: undefined,
      ...tools,
    });
  }

  /** Both hear of it, as of a link that has opened. */
  link(other: Machine): void {
    for (const [from, to] of [
      [this, other],
      [other, this],
    ] as const) {
      const link = {
        isOpen: true,
        peer: { ...to.asPeer(), remoteAddress: "192.0.2.50:40000" },
        request: (method: string, pieces: Uint8Array[]) => to.answer(from, method, pieces),
      } as unknown as Link;
      const open: OpenLink = { kind: "direct", via: [], link };
      from.open.add(open);
      from.alive.add(to.key.nodeId);
    }
    for (const machine of [this, other]) {
      const last = [...machine.open].at(-1);
      if (last !== undefined) for (const listener of machine.#onLink) listener(last, true);
      for (const listener of machine.#onSwim) listener();
    }
  }

  lose(other: Machine): void {
    this.alive.delete(other.key.nodeId);
    for (const open of this.open) {
      if (open.link.peer.nodeId === other.key.nodeId) this.open.delete(open);
    }
    for (const listener of this.#onSwim) listener();
  }

  asPeer() {
    const { nodeId } = this.key;
    return { nodeId, identity: { kind: this.kind, nodeId, name: this.name } };
  }

  async answer(from: Machine, method: string, pieces: Uint8Array[]): Promise<Uint8Array> {
    this.requests++;
    const request = { method, body: Buffer.concat(pieces), peer: from.asPeer() };
    const serve = this.part.methods()[0]?.handlers.onRequest;
    const answer = await serve?.(request as unknown as IncomingRequest);
    return Buffer.concat(answer as Uint8Array[]);
  }

  /** What the authority or the answer to joining left on the disk. */
  knows(roster: PoolRoster): void {
    const directory = join(this.home, "pools");
    mkdirSync(directory, { recursive: true });
    writeFileSync(
      join(directory, `${poolId}.json`),
      JSON.stringify({ v: 1, roster, statements: [] }),
    );
  }

  columns(): (readonly [string, number])[] {
    const [pool] = this.part.pools();
    return (pool?.members ?? []).map(({ name, columns }) => [name, columns.to - columns.from]);
  }
}

function subscribe<Listener>(listeners: Set<Listener>, listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function roster(version: number, members: readonly Machine[], removed: readonly Machine[] = []) {
  const content = { poolId, name: "lab", networkId: "test", version, createdAtMs: 1 };
  return signPoolRoster(
    {
      ...content,
      members: members.map(({ key, name }, at) => ({
        nodeId: key.nodeId,
        name,
        role: at === 0 ? "admin" : "member",
        sequence: at + 1,
      })),
      removed: removed.map(({ key }) => key.nodeId),
    },
    ca.privateKeyPem,
  );
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "hearthmesh-pool-part-"));
  ca = await createMemberCa({ memberId: "alice", trustDomain: "home.alice", ...tools });
  root = poolRootOf(ca.certificatePem);
  poolId = poolIdOf(root, "lab");
});

afterEach(async () => {
  await Promise.all(machines.map(({ part }) => part.stop()));
  machines = [];
  rmSync(folder, { recursive: true, force: true });
});

describe("pools on nodes", () => {
  it("come to the same ring over their links, also through one in between", async () => {
    const [one, two, three] = [
      new Machine("one", "coordinator"),
      new Machine("two"),
      new Machine("three"),
    ];
    one.knows(roster(3, [one, two, three]));
    two.knows(roster(2, [one, two]));
    for (const { part } of machines) await part.start();
    one.link(two);
    two.link(three);
    // The third has nothing on its disk, and no link to the coordinator.
    await expect.poll(() => three.columns().length).toBe(0);
    three.knows(roster(1, [one, three]));
    await three.part.stop();
    await three.part.start();
    two.part.setCapacity(2);
    const expected = [
      ["one", 2048],
      ["two", 4096],
      ["three", 2048],
    ];
    for (const machine of machines) await expect.poll(() => machine.columns()).toEqual(expected);
    const epochs = machines.map(({ part }) => part.pool("lab").epoch);
    expect(new Set(epochs).size).toBe(1);
  });

  it("show who is there, where, and write the ring when it changes", async () => {
    const [one, two] = [new Machine("one", "coordinator"), new Machine("two")];
    for (const machine of machines) machine.knows(roster(2, [one, two]));
    for (const { part } of machines) await part.start();
    one.link(two);
    let told = 0;
    one.part.onChange(() => told++);
    const path = join(one.home, `ring_topology_${poolId}.json`);
    const onDisk = () =>
      JSON.parse(readFileSync(path, "utf8")).members.map((m: { status: string }) => m.status);
    await expect.poll(onDisk).toEqual(["online", "online"]);
    const peer = one.part.pool(poolId).members[1];
    expect(peer).toMatchObject({ lanAddress: "192.0.2.50:9000", isSelf: false });
    expect(peer?.lastSeenMs).toBeGreaterThan(0);
    one.lose(two);
    await expect.poll(onDisk).toEqual(["online", "offline"]);
    const lastSeenMs = one.part.pool("lab").members[1]?.lastSeenMs ?? 0;
    expect(lastSeenMs).toBeGreaterThanOrEqual(peer?.lastSeenMs ?? 0);
    expect(told).toBeGreaterThan(0);
  });

  it("leave at once when the newest roster says so, and stay out of the ring for all", async () => {
    const [one, two, three] = [
      new Machine("one", "coordinator"),
      new Machine("two"),
      new Machine("three"),
    ];
    for (const machine of machines) machine.knows(roster(2, [one, two, three]));
    for (const { part } of machines) await part.start();
    one.link(two);
    one.link(three);
    const file = join(three.home, `ring_topology_${poolId}.json`);
    await expect.poll(() => existsSync(file)).toBe(true);
    await expect.poll(() => two.columns().length).toBe(3);
    // As when the authority's records have changed.
    const next = roster(3, [one, two], [three]);
    await one.answer(
      one,
      EXCHANGE_METHOD,
      exchange([], [{ poolId, roster: next, statements: [] }]),
    );
    await expect.poll(() => three.part.pools()).toEqual([]);
    await expect.poll(() => existsSync(file)).toBe(false);
    await expect.poll(() => two.columns().map(([name]) => name)).toEqual(["one", "two"]);
    expect(() => three.part.pool("lab")).toThrow("no such pool");
    // One that was taken out while it was off finds that out when it starts.
    await two.part.stop();
    two.knows(roster(4, [one], [two, three]));
    await two.part.start();
    const stale = join(two.home, `ring_topology_${poolId}.json`);
    await expect.poll(() => existsSync(stale)).toBe(false);
  });

  it("tell a node of another pool nothing, and take nothing that is forged", async () => {
    const [one, two] = [new Machine("one", "coordinator"), new Machine("two")];
    const stranger = new Machine("stranger");
    for (const machine of [one, two]) machine.knows(roster(2, [one, two]));
    for (const { part } of machines) await part.start();
    one.link(two);
    one.link(stranger);
    two.link(stranger);
    const before = one.columns();
    const real = roster(9, [one, two, stranger]);
    const forged = [
      { poolId, roster: { ...real, version: 10 }, statements: [] },
      { poolId, roster: { ...real, signature: `${"A".repeat(86)}==` }, statements: [{}, null, 7] },
      { poolId: "f".repeat(32), roster: real, statements: [] },
    ];
    const answer = await one.answer(stranger, EXCHANGE_METHOD, exchange([], forged));
    expect(decodeExchange(answer)).toEqual({ v: 1, digests: [], news: [] });
    expect(one.columns()).toEqual(before);
    expect(stranger.part.pools()).toEqual([]);
  });

  it("do no work for statements of strangers", () => {
    const [one, two, stranger] = [new Machine("one"), new Machine("two"), new Machine("stranger")];
    const signerFor = ({ key }: Machine) => ({
      publicKey: publicKeyDerOf(key.publicKeyPem),
      sign: signerOf(key.privateKeyPem),
    });
    const self = one.key.nodeId;
    const book = new PoolBook({ self, root, signer: signerFor(one), isAuthority: false });
    const statement = (machine: Machine) => {
      const content = { poolId, sequence: 1, capacity: 2, capacityChanges: 1, endpoints: [] };
      return signMemberStatement(content, signerFor(machine));
    };
    const caller = ({ key: { nodeId } }: Machine) => ({ nodeId, isCoordinator: false });
    const news = (...from: Machine[]) => [{ poolId, statements: from.map(statement) }];
    expect(book.offerRoster(roster(2, [one, two]))).toBe(true);
    expect(book.take(news(two), caller(stranger))).toEqual([]);
    expect(book.get(poolId)?.statementOf(two.key.nodeId)).toBeUndefined();
    expect(book.take(news(stranger), caller(two))).toEqual([]);
    expect(book.take(news(two), caller(two))).toEqual([poolId]);
    const joined = [{ ...news(stranger)[0], poolId, roster: roster(3, [one, two, stranger]) }];
    expect(book.take(joined as never, caller(stranger))).toEqual([poolId]);
    expect(book.get(poolId)?.statementOf(stranger.key.nodeId)?.capacity).toBe(2);
  });

  it("refuse what is no exchange, and go on", async () => {
    const one = new Machine("one", "coordinator");
    one.knows(roster(1, [one]));
    await one.part.start();
    const many = Array.from({ length: 17 }, () => ({}));
    const bad = [
      [Buffer.from("x")],
      encodeMessage({}, Buffer.from("{")),
      encodeMessage({}, Buffer.from("null")),
      encodeMessage({}, Buffer.from(JSON.stringify({ v: 2, digests: [], news: [] }))),
      exchange(many, []),
      [Buffer.alloc(600 * 1024)],
    ];
    for (const pieces of bad) {
      await expect(one.answer(one, EXCHANGE_METHOD, pieces)).rejects.toMatchObject({
        code: "MESH_PROTOCOL",
      });
    }
    await expect(one.answer(one, "pool.other", exchange([], []))).rejects.toMatchObject({
      code: "MESH_FORBIDDEN",
    });
    expect(one.columns()).toEqual([["one", 8192]]);
    expect(() => one.part.setCapacity(0)).toThrow("a capacity is a whole number");
  });

  it("do not repeat what both know", async () => {
    const [one, two] = [new Machine("one", "coordinator"), new Machine("two")];
    for (const machine of machines) machine.knows(roster(2, [one, two]));
    for (const { part } of machines) await part.start();
    one.link(two);
    await expect.poll(() => one.part.pool("lab").members[1]?.status).toBe("online");
    const digests = decodeExchange(
      await one.answer(two, EXCHANGE_METHOD, exchange([], [])),
    ).digests;
    const again = decodeExchange(await one.answer(two, EXCHANGE_METHOD, exchange(digests, [])));
    expect(again.news).toEqual([]);
    expect(one.requests + two.requests).toBeLessThan(30);
  });
});

function exchange(digests: readonly unknown[], news: readonly unknown[]): Uint8Array[] {
  return encodeMessage({}, Buffer.from(JSON.stringify({ v: 1, digests, news })));
}

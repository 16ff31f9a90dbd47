/** Two coordinators on one store, with real links between them; the test decides who leads. */
import { randomBytes } from "node:crypto";
import {
  encodeMessage,
  type MemberId,
  type NodeId,
  parseTrustDomain,
  type Random,
  silentLogger,
} from "@hearthmesh/core";
import { ManualClock, turns } from "@hearthmesh/core/testing";
import type { Link } from "@hearthmesh/qwormhole";
import { type Compare, fencedStore, memoryStore, put, type Store } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Coordinator } from "../coordinator/coordinator.js";
import { DEFAULT_INTERVALS } from "../coordinator/coordinator-options.js";
import { GrantPolicy, testPrincipal } from "../coordinator/testing/grant-policy.js";
import { type Machine, TestMesh } from "../testing/test-mesh.js";
import { CoordinatorSeat } from "./coordinator-seat.js";
import { FileReader } from "./file-reader.js";
import { type Leader, type Leadership, type LeadershipState, notLeading } from "./leadership.js";

const random: Random = { bytes: (length) => randomBytes(length), float: () => 0.5 };
const NEVER = { repairMs: 1e9, settleMs: 1e9, queueMs: 1e9, garbageMs: 1e9, uploadsMs: 1e9 };
const LEAD = "lead";

/** Every seat has its own belief, which may be behind what the store says. */
class Belief implements Leadership {
  state: LeadershipState = { role: "follower", epoch: 0 };
  guarded: Compare = { key: LEAD, target: "modRevision", is: "=", value: -1 };
  readonly #listeners = new Set<() => void>();

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  requireLeading(): void {
    if (this.state.role !== "leader") throw notLeading(this.state);
  }

  fence(store: Store): Store {
    return fencedStore(store, () => this.guarded);
  }

  set(state: LeadershipState): void {
    this.state = state;
    for (const listener of this.#listeners) listener();
  }
}

interface Seat {
  readonly machine: Machine;
  readonly belief: Belief;
  readonly seat: CoordinatorSeat;
  readonly made: number[];
}

let clock: ManualClock;
let mesh: TestMesh;
let store: Store;
let policy: GrantPolicy;
let one: Seat;
let two: Seat;
/** A coordinator reads nothing before it resolves. */
let readable: Promise<void>;

async function openSeat(name: string): Promise<Seat> {
  const machine = mesh.machine(name, "coordinator");
  const belief = new Belief();
  const made: number[] = [];
  const links: Link[] = [];
  const coordinatorOf = (epoch: number) => {
    made.push(epoch);
    const fenced = belief.fence(store);
    const range: Store["range"] = (...args) => readable.then(() => fenced.range(...args));
    return new Coordinator({
      store: { ...fenced, range },
      access: policy,
      sign: (bytes) => machine.identity.sign(bytes),
      publicKeyDer: machine.identity.publicKey,
      nodeId: machine.nodeId,
      memberId: "alice" as MemberId,
      ...{ clock, random, log: silentLogger, epoch },
      requireLeading: () => belief.requireLeading(),
      coordinatorSecret: randomBytes(32),
      intervals: { ...DEFAULT_INTERVALS, ...NEVER, walkPauseMs: 0 },
    });
  };
  const seat = new CoordinatorSeat({
    nodeId: machine.nodeId,
    trustDomain: parseTrustDomain("home.alice"),
    leadership: belief,
    makeCoordinator: coordinatorOf,
    reader: new FileReader({ store, access: policy, clock, random }),
    emptyView: {
      nodes: [],
      layout: { v: 1, version: 0, replicas: 0, nodes: [] },
      status: coordinatorOf(0).status(),
      operations: {},
    },
    linkTo: (leader: Leader) => mesh.dial(machine, machineOf(leader.nodeId)),
    links: () => links,
    clock,
    log: silentLogger,
  });
  await mesh.listen(machine, seat.handlers(), (link) => {
    links.push(link);
    seat.attach(link);
  });
  policy.grant(principalOf(machine), "/:read+write+delete");
  made.length = 0;
  return { machine, belief, seat, made };
}

function machineOf(nodeId: NodeId): Machine {
  return one.machine.nodeId === nodeId ? one.machine : two.machine;
}

const principalOf = (machine: Machine) => testPrincipal(machine.kind, machine.name, machine.nodeId);

/** The store knows at once; the seats are told by `tell`. */
async function elect(leader: Seat, epoch: number, tell: readonly Seat[]): Promise<void> {
  const { revision } = await store.transact({ success: [put(LEAD, Buffer.from(`${epoch}`))] });
  leader.belief.guarded = { key: LEAD, target: "modRevision", is: "=", value: revision };
  for (const seat of tell) {
    const { nodeId, name } = leader.machine;
    const role = seat === leader ? "leader" : "follower";
    const data = { name, linkAddresses: [`${name}:1`], apiAddresses: [] };
    seat.belief.set({ role, epoch, leader: { nodeId, epoch, data } });
  }
  for (let round = 0; round < 200 && tell.includes(leader) && !leader.seat.isSeated; round++) {
    await turns();
  }
}

const mkdir = (at: Seat, path: string) =>
  at.seat.call(principalOf(at.machine), "file.mkdir", { path });
const stat = (at: Seat, path: string) =>
  at.seat.call(principalOf(at.machine), "file.stat", { path });

beforeEach(async () => {
  readable = Promise.resolve();
  clock = new ManualClock();
  mesh = new TestMesh();
  store = memoryStore({ clock });
  policy = new GrantPolicy();
  one = await openSeat("one");
  two = await openSeat("two");
  await one.seat.start();
  await two.seat.start();
});

afterEach(async () => {
  await one.seat.stop();
  await two.seat.stop();
  await mesh.close();
});

describe("two coordinators on one store", () => {
  it("both take calls; the one that leads does them", async () => {
    await elect(one, 1, [one, two]);
    await mkdir(one, "/a");
    await mkdir(two, "/b");
    expect((await stat(one, "/b")).header).toMatchObject({ entry: { path: "/b" } });
    expect((await stat(two, "/a")).header).toMatchObject({ entry: { path: "/a" } });
    expect([one.made, two.made]).toEqual([[1], []]);
  });

  it("know a node whose link opened while the coordinator was starting", async () => {
    let read: () => void = () => undefined;
    readable = new Promise((resolve) => {
      read = resolve;
    });
    const elected = elect(one, 1, [one, two]);
    const link = await mesh.dial(mesh.machine("attic", "node"), one.machine);
    expect(one.seat.isSeated).toBe(false);
    read();
    await elected;
    const registration = { roles: ["storage"], site: "attic", addresses: [], version: "1" };
    await link.request("node.register", encodeMessage(registration));
    expect(one.seat.nodes()).toMatchObject([{ name: "attic", state: "online" }]);
  });

  it("pass on the errors of the leader as they are", async () => {
    await elect(one, 1, [one, two]);
    await mkdir(two, "/a");
    await expect(mkdir(two, "/x/y")).rejects.toMatchObject({ code: "MESH_PARENT_MISSING" });
    const stranger = { ...principalOf(two.machine), nodeId: "nobody", spiffeId: "spiffe://x/y" };
    const call = two.seat.call(stranger as never, "file.mkdir", { path: "/c" });
    await expect(call).rejects.toMatchObject({ code: "MESH_BAD_REQUEST" });
  });

  it("change places: the new leader goes on with what the old one wrote", async () => {
    await elect(one, 1, [one, two]);
    await mkdir(one, "/a");
    await elect(two, 2, [one, two]);
    await mkdir(one, "/a/b");
    await mkdir(two, "/a/b/c");
    expect((await stat(one, "/a/b/c")).header).toMatchObject({ entry: { path: "/a/b/c" } });
    expect([one.made, two.made]).toEqual([[1], [2]]);
    expect(one.seat.isSeated).toBe(false);
  });

  it("a leader that was replaced and does not know it writes nothing", async () => {
    await elect(one, 1, [one, two]);
    await elect(two, 2, [two]);
    expect(one.seat.isSeated).toBe(true);
    const late = mkdir(one, "/late");
    // It finds out by the refused write; then the call goes to the one that leads.
    await turns();
    expect(
      (await store.range({ prefix: "" })).entries.some(({ key }) => key.includes("late")),
    ).toBe(false);
    one.belief.set(two.belief.state.leader ? { ...two.belief.state, role: "follower" } : never());
    await turns(20);
    await clock.advance(1_000);
    await late;
    expect((await stat(two, "/late")).header).toMatchObject({ entry: { path: "/late" } });
  });

  it("wait for a leader, and say so when none comes", async () => {
    const waiting = mkdir(one, "/a");
    await elect(two, 1, [one, two]);
    await clock.advance(500);
    await waiting;
    two.belief.set({ role: "follower", epoch: 1 });
    one.belief.set({ role: "follower", epoch: 1 });
    await turns(20);
    const failed = expect(mkdir(one, "/b")).rejects.toMatchObject({ code: "MESH_NOT_LEADER" });
    for (let step = 0; step < 60; step++) {
      await clock.advance(100);
      await turns();
    }
    await failed;
  });

  it("answer who only looks without a leader", async () => {
    await elect(one, 1, [one, two]);
    await mkdir(one, "/a");
    one.belief.set({ role: "follower", epoch: 1 });
    two.belief.set({ role: "follower", epoch: 1 });
    await turns(20);
    expect((await stat(one, "/a")).header).toMatchObject({ entry: { path: "/a" } });
    expect((await stat(two, "/a")).header).toMatchObject({ entry: { path: "/a" } });
  });

  it("speak to nobody else in this way", async () => {
    await elect(one, 1, [one, two]);
    const node = mesh.machine("storage-1");
    const link = await mesh.dial(node, one.machine);
    const { encodeMessage, fromWireError } = await import("@hearthmesh/core");
    for (const method of ["coordinator.call", "coordinator.view", "coordinator.remove"]) {
      const refused = link.request(method, encodeMessage({})).catch((error: unknown) => {
        throw fromWireError(error);
      });
      await expect(refused).rejects.toMatchObject({ code: "MESH_FORBIDDEN" });
    }
  });

  it("tell a node that asks the wrong one who leads", async () => {
    await elect(two, 3, [one, two]);
    const node = mesh.machine("storage-1");
    const link = await mesh.dial(node, one.machine);
    const { encodeMessage, fromWireError } = await import("@hearthmesh/core");
    const asked = link.request("node.report", encodeMessage({})).catch((error: unknown) => {
      throw fromWireError(error);
    });
    await expect(asked).rejects.toMatchObject({
      code: "MESH_NOT_LEADER",
      details: { leader: { nodeId: two.machine.nodeId, epoch: 3, linkAddresses: ["two:1"] } },
    });
  });
});

function never(): never {
  throw new Error("no leader is known");
}

import {
  asWireError,
  type Clock,
  decodeMessage,
  encodeMessage,
  type MemberId,
  MeshError,
  type Random,
  silentLogger,
} from "@hearthmesh/core";
import type { IncomingRequest, Link } from "@hearthmesh/qwormhole";
import { afterEach, describe, expect, it } from "vitest";
import type { NodeRegisterResponse, NodeReportRequest } from "../protocol.js";
import { type Machine, TestMesh } from "../testing/test-mesh.js";
import type { Registration } from "./node-access.js";
import { NodeAgent } from "./node-agent.js";
import { RECONNECT_POLICY, reconnectDelayMs } from "./reconnect.js";

const random: Random = { bytes: (length) => new Uint8Array(length), float: () => 0.5 };

/** Time that stands still until the test moves it. */
class ManualClock implements Clock {
  #nowMs = 0;
  #timers: { atMs: number; callback: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  setTimeout(callback: () => void, delayMs: number) {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  get delaysMs(): number[] {
    return this.#timers.map((timer) => timer.atMs - this.#nowMs);
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    const due = this.#timers.filter((timer) => timer.atMs <= this.#nowMs);
    this.#timers = this.#timers.filter((timer) => timer.atMs > this.#nowMs);
    for (const timer of due) timer.callback();
  }
}

const response: NodeRegisterResponse = {
  memberId: "alice" as MemberId,
  layout: { v: 1, version: 4, replicas: 3, nodes: [] },
  epoch: 2,
  receiptKey: Buffer.alloc(32, 9).toString("base64url"),
  reportIntervalMs: 3000,
};

let mesh: TestMesh;
let agent: NodeAgent;

interface Setup {
  readonly clock: ManualClock;
  readonly coordinator: Machine;
  readonly requests: string[];
  readonly links: Link[];
  readonly registrations: Registration[];
  readonly changes: unknown[];
  /** How many dials fail before one gets through. */
  failures: number;
  answer: NodeRegisterResponse;
}

async function begin(change: Partial<Pick<Setup, "failures" | "answer">> = {}): Promise<Setup> {
  mesh = new TestMesh();
  const coordinator = mesh.machine("coordinator", "coordinator");
  const machine = mesh.machine("node-1");
  const setup: Setup = {
    clock: new ManualClock(),
    coordinator,
    requests: [],
    links: [],
    registrations: [],
    changes: [],
    failures: 0,
    answer: response,
    ...change,
  };
  const onRequest = async (request: IncomingRequest) => {
    setup.requests.push(request.method);
    if (request.method === "node.register") return encodeMessage(setup.answer);
    const { header } = decodeMessage<NodeReportRequest>(request.body);
    if (header.report.chunkCount !== 7) throw asWireError(new MeshError("MESH_BAD_REQUEST"));
    return encodeMessage({ layoutVersion: 5, epoch: 2 });
  };
  await mesh.listen(coordinator, { onRequest }, (link) => setup.links.push(link));
  agent = new NodeAgent({
    dialCoordinator: async () => {
      if (setup.failures-- > 0) throw new Error("nobody there");
      return await mesh.dial(machine, coordinator);
    },
    describe: () => ({ roles: ["storage"], site: "home", addresses: ["a:1"], version: "0" }),
    report: async () => ({
      capacityBytes: 10,
      usedBytes: 1,
      freeBytes: 9,
      chunkCount: 7,
      corruptChunks: 0,
    }),
    onRegistered: (_response, registration) => setup.registrations.push(registration),
    onChanged: (answer) => setup.changes.push(answer),
    clock: setup.clock,
    random,
    log: silentLogger,
  });
  await agent.start();
  return setup;
}

/** Lets everything that needs no time happen. */
async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 10_000 && !condition(); turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(condition()).toBe(true);
}

afterEach(async () => {
  await agent.stop();
  await mesh.close();
  expect(agent.state.phase).toBe("stopped");
});

describe("the node agent", () => {
  it("registers with the coordinator's key and reports as often as it was told", async () => {
    const { clock, requests, registrations, coordinator, changes } = await begin();
    await until(() => agent.state.phase === "online" && clock.delaysMs.length === 1);
    expect(registrations).toEqual([
      {
        receiptKey: Buffer.alloc(32, 9),
        voids: [],
        epoch: 2,
        coordinatorPublicKey: coordinator.identity.publicKey,
      },
    ]);
    for (const count of [1, 2]) {
      clock.advance(2999);
      expect(requests.length).toBe(count);
      clock.advance(1);
      await until(() => requests.length === count + 1 && clock.delaysMs.includes(3000));
    }
    expect(requests).toEqual(["node.register", "node.report", "node.report"]);
    expect(changes).toEqual([{ layoutVersion: 5, epoch: 2 }]);
    expect(agent.state.latest).toEqual({ layoutVersion: 5, epoch: 2 });
  });

  it("waits longer after each failure and begins again when the link is lost", async () => {
    const { clock, requests, links } = await begin({ failures: 3 });
    for (const delayMs of [250, 500, 1000]) {
      await until(() => agent.state.phase === "waiting" && clock.delaysMs.length > 0);
      expect(clock.delaysMs).toEqual([delayMs]);
      expect(agent.state.lastError).toMatchObject({ code: "MESH_UNREACHABLE" });
      clock.advance(delayMs);
    }
    await until(() => agent.state.phase === "online");
    expect(agent.state.failures).toBe(0);
    links[0]?.destroy(new Error("cut"));
    await until(() => agent.state.phase === "waiting" && clock.delaysMs.includes(250));
    clock.advance(250);
    await until(() => agent.state.phase === "online");
    expect(requests).toEqual(["node.register", "node.register"]);
  });

  it("does not take half an answer", async () => {
    const { registrations } = await begin({ answer: { ...response, receiptKey: "short" } });
    await until(() => agent.state.phase === "waiting");
    expect(agent.state.lastError).toMatchObject({ code: "MESH_PROTOCOL" });
    expect(registrations).toEqual([]);
  });
});

describe("a node with several coordinators", () => {
  it("goes to the one that leads when another says so, without a failure", async () => {
    mesh = new TestMesh();
    const [first, second] = [
      mesh.machine("one", "coordinator"),
      mesh.machine("two", "coordinator"),
    ];
    const machine = mesh.machine("node-1");
    const clock = new ManualClock();
    let leads = second;
    let dialled = first;
    const asked: string[] = [];
    for (const coordinator of [first, second]) {
      const onRequest = async () => {
        asked.push(coordinator.name);
        if (coordinator === leads) return encodeMessage(response);
        const { nodeId, name } = leads;
        const leader = { nodeId, epoch: 2, name, linkAddresses: [], apiAddresses: [] };
        throw asWireError(new MeshError("MESH_NOT_LEADER", { details: { leader } }));
      };
      await mesh.listen(coordinator, { onRequest });
    }
    agent = new NodeAgent({
      dialCoordinator: () => mesh.dial(machine, dialled),
      onOtherLeader: ({ nodeId }) => {
        dialled = nodeId === first.nodeId ? first : second;
      },
      describe: () => ({ roles: ["storage"], site: "home", addresses: ["a:1"], version: "0" }),
      onRegistered: () => undefined,
      clock,
      random,
      log: silentLogger,
    });
    await agent.start();
    await until(() => agent.state.phase === "waiting");
    expect(agent.state.failures).toBe(0);
    clock.advance(250);
    await until(() => agent.state.phase === "online");

    // It is told of a new leader while its link to the old one is open.
    leads = first;
    dialled = first;
    agent.reconnect();
    await until(() => asked.length === 3 && agent.state.phase === "online");
    expect(asked).toEqual(["one", "two", "one"]);
    expect(agent.state.failures).toBe(0);
  });
});

describe("the reconnect policy", () => {
  it("doubles its bound up to a cap and spreads over all of it", () => {
    const bounds = [1, 2, 3, 6, 7, 1000].map((failures) =>
      reconnectDelayMs(RECONNECT_POLICY, failures, { ...random, float: () => 1 }),
    );
    expect(bounds).toEqual([500, 1000, 2000, 5_000, 5_000, 5_000]);
    expect(reconnectDelayMs(RECONNECT_POLICY, 5, { ...random, float: () => 0 })).toBe(0);
  });
});

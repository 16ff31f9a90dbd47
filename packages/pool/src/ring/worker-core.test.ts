import { systemClock } from "@hearthmesh/core";
import { type Channel, tlsTransport } from "@hearthmesh/qwormhole";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { readModel } from "../engine/read-model.js";
import type { ModelShape } from "../model/model-shape.js";
import {
  fastClock,
  greedy,
  planOf,
  RingMember,
  TestAuthority,
  type TestNode,
  writeTestModel,
} from "../testing/ring-members.js";
import { FrameKind, HEADER_BYTES, writeHeader } from "./frame-codec.js";
import { digestOf, encodeHello } from "./greeting-codec.js";
import type { RingPlan } from "./ring-plan.js";
import { valueBytesOf } from "./wire-format.js";

let model: Awaited<ReturnType<typeof writeTestModel>>;
let shape: ModelShape;
let authority: TestAuthority;
let nodes: TestNode[];
const started: RingMember[] = [];
const never = new AbortController().signal;
const PROMPT = "Once upon a time there was a house";

beforeAll(async () => {
  model = await writeTestModel();
  ({ shape } = await readModel(model.path));
  authority = await TestAuthority.make();
  nodes = await Promise.all(["ada", "bob", "cyd", "dan"].map((name) => authority.node(name)));
});
afterAll(() => model.remove());
afterEach(async () => {
  await Promise.all(started.splice(0).map(({ core }) => core.close()));
});

async function members(count: number, clock = systemClock()): Promise<RingMember[]> {
  const all = await Promise.all(nodes.slice(0, count).map((node) => RingMember.start(node, clock)));
  started.push(...all);
  return all;
}

const loadAll = (plan: RingPlan, all: readonly RingMember[]) =>
  Promise.all(all.map(({ core }) => core.load(plan, model.path, never)));

describe("members over TLS", () => {
  it("answer with the same tokens alone, as two, three and four, with uneven shares", async () => {
    const all = await members(4);
    let epoch = 0;
    let first: number[] | undefined;
    for (const capacities of [[1], [1, 1], [3, 1], [1, 1, 2], [1, 1, 1, 1], [9, 1, 1]]) {
      const part = all.slice(0, capacities.length);
      await loadAll(planOf(shape, ++epoch, part, capacities), part);
      const { tokens, errorCode } = await part[0]!.generate(greedy(PROMPT, 24)).outcome;
      expect(errorCode).toBeUndefined();
      first ??= tokens;
      expect(tokens).toEqual(first);
    }
    expect(first).toHaveLength(24);
  });

  it("sample the same tokens with the same seed, however the vocabulary is cut", async () => {
    const all = await members(2);
    const request = greedy(PROMPT, 12);
    const sampling = { temperature: 0.8, topP: 0.9, topK: 40, minP: 0.02, seed: 11 };
    const run = async (epoch: number, part: RingMember[]) => {
      await loadAll(planOf(shape, epoch, part), part);
      return (await part[0]!.generate({ ...request, sampling }).outcome).tokens;
    };
    expect(await run(1, all)).toEqual(await run(2, all.slice(0, 1)));
  });

  it("serve several requests at a time, each with its own cache, and cancel one", async () => {
    const all = await members(2);
    await loadAll(planOf(shape, 1, all), all);
    const alone = await all[0]!.generate(greedy(PROMPT, 16)).outcome;
    const many = [PROMPT, "The river", PROMPT, "Bread", PROMPT].map((text) =>
      all[0]!.generate(greedy(text, 16)),
    );
    all[0]!.core.cancel(many[1]!.id);
    for (const at of [0, 2, 4]) expect((await many[at]!.outcome).tokens).toEqual(alone.tokens);
    expect((await many[3]!.outcome).tokens).toHaveLength(16);
    const stats = all[0]!.core.stats();
    expect(stats.exchanges).toBeGreaterThan(100);
    expect(stats).toMatchObject({ epoch: 1, connectionsOpen: 1 });
  });

  it("go on with the same text when a member leaves, and when one comes", async () => {
    const all = await members(3);
    const [ada, bob, cyd] = all as [RingMember, RingMember, RingMember];
    await loadAll(planOf(shape, 1, all, [1, 2, 1]), all);
    const whole = await ada.generate(greedy(PROMPT, 40)).outcome;
    let isGone = false;
    ada.onEvent = (_, tokens) => {
      if (tokens < 13 || isGone) return;
      isGone = true;
      void cyd.core.close();
    };
    const { outcome } = ada.generate(greedy(PROMPT, 40));
    await expect.poll(() => ada.failures.length).toBe(1);
    expect(ada.failures[0]).toMatchObject({ epoch: 1, nodeId: cyd.nodeId });
    await loadAll(planOf(shape, 2, [ada, bob]), [ada, bob]);
    // A plan that nothing forced: the answer that runs is computed again all the same.
    await loadAll(planOf(shape, 3, [ada, bob], [3, 1]), [ada, bob]);
    const { tokens, events } = await outcome;
    expect(tokens).toEqual(whole.tokens);
    expect(events.filter(({ kind }) => kind === "paused")).toEqual([
      { kind: "paused", lostNode: "cyd", epoch: 1 },
    ]);
  });

  it("refuse plans that are old, and plans that do not fit", async () => {
    const [ada] = await members(1);
    const plan = planOf(shape, 4, [ada!]);
    await ada!.core.load(plan, model.path, never);
    await expect(ada!.core.load(plan, model.path, never)).rejects.toMatchObject({
      code: "MESH_EPOCH_OLD",
    });
    const foreign = planOf(shape, 5, [{ ...nodes[1]!, port: 1 }]);
    await expect(ada!.core.load(foreign, model.path, never)).rejects.toMatchObject({
      code: "MESH_BAD_REQUEST",
    });
    const { errorCode } = await ada!.generate(greedy("x".repeat(400), 4)).outcome;
    expect(errorCode).toBe("MESH_CONTEXT_TOO_LONG");
  });

  it("name who did not join when the wait is given up", async () => {
    const [ada] = await members(1);
    const plan = planOf(shape, 1, [ada!, { ...nodes[1]!, port: 9 }]);
    const abort = new AbortController();
    const loading = ada!.core.load(plan, model.path, abort.signal);
    abort.abort(new Error("given up"));
    await expect(loading).rejects.toThrow("given up");
    await ada!.core.load(planOf(shape, 2, [ada!]), model.path, never);
    expect((await ada!.generate(greedy(PROMPT, 3)).outcome).tokens).toHaveLength(3);
  });
});

/** Has a certificate, and says what it likes. */
class Hostile {
  readonly #plan: RingPlan;
  readonly #channel: Channel;
  bytesReceived = 0;
  isClosed = false;

  private constructor(channel: Channel, plan: RingPlan) {
    this.#channel = channel;
    this.#plan = plan;
    channel.setHandlers({
      onData: (bytes) => {
        this.bytesReceived += bytes.length;
      },
      onDrain: () => undefined,
      onClose: () => {
        this.isClosed = true;
      },
    });
  }

  static async dial(leader: RingMember, node: TestNode, plan: RingPlan): Promise<Hostile> {
    const transport = tlsTransport({ credentials: () => node.credentials });
    return new Hostile(await transport.dial({ host: "127.0.0.1", port: leader.port }), plan);
  }

  /** Dials until the other side has loaded the plan too, and greets. */
  static async join(
    leader: RingMember,
    node: TestNode,
    plan: RingPlan,
    planDigest = digestOf(plan),
    greeting: "aloud" | "silently" = "aloud",
  ): Promise<Hostile> {
    for (;;) {
      const hostile = await Hostile.dial(leader, node, plan);
      await expect.poll(() => hostile.isClosed || hostile.bytesReceived > 0).toBe(true);
      if (hostile.isClosed) continue;
      if (greeting === "aloud") hostile.hello(planDigest);
      return hostile;
    }
  }

  hello(planDigest = digestOf(this.#plan)): void {
    this.send(FrameKind.hello, 0, encodeHello({ planDigest, rowsMax: 16, sequencesMax: 3 }));
  }

  send(kind: number, number: number, payload: Uint8Array, epoch = this.#plan.epoch): void {
    const frame = new Uint8Array(HEADER_BYTES + payload.length);
    const header = { kind, epoch, number, payloadBytes: payload.length };
    writeHeader(new DataView(frame.buffer), header);
    frame.set(payload, HEADER_BYTES);
    this.write(frame);
  }

  write(bytes: Uint8Array): void {
    this.#channel.write([bytes]);
  }

  end(): void {
    this.#channel.destroy();
  }
}

describe("a hostile member", () => {
  const rowBytes = () => valueBytesOf(shape.embeddingWidth) * shape.embeddingWidth;
  const cases: [string, (bob: Hostile) => void][] = [
    ["random bytes", (bob) => bob.write(new Uint8Array(400).fill(0x5a))],
    [
      "a frame that is too long",
      (bob) => bob.send(FrameKind.partial, 0, new Uint8Array(16 * rowBytes() + 2)),
    ],
    ["a part of the wrong size", (bob) => bob.send(FrameKind.partial, 0, new Uint8Array(6))],
    [
      "numbers that are none",
      (bob) => {
        const parts = new Uint16Array((9 * rowBytes()) / 2).fill(0x7fff);
        bob.send(FrameKind.partial, 0, new Uint8Array(parts.buffer));
      },
    ],
    ["steps, as if it led", (bob) => bob.send(FrameKind.step, 1, new Uint8Array(16))],
    ["results of no step", (bob) => bob.send(FrameKind.result, 40, new Uint8Array(24))],
    ["that ada is slow", (bob) => bob.send(FrameKind.fault, 0, Uint8Array.of(0, 0, 2))],
    ["a fault of nobody", (bob) => bob.send(FrameKind.fault, 0, Uint8Array.of(9, 0, 1))],
    [
      "other epochs, and nothing else",
      (bob) => bob.send(FrameKind.partial, 0, new Uint8Array(rowBytes()), 77),
    ],
    ["nothing at all", () => undefined],
  ];

  it.each(cases)("that sends %s is named, and the others go on", async (_, attack) => {
    const [ada] = await members(1, fastClock(20));
    const plan = planOf(shape, 1, [ada!, { ...nodes[1]!, port: 9 }]);
    const loading = ada!.core.load(plan, model.path, never);
    const bob = await Hostile.join(ada!, nodes[1]!, plan);
    await loading;
    const { outcome } = ada!.generate(greedy("bbbbbbbb", 5));
    attack(bob);
    await expect.poll(() => ada!.failures.length).toBe(1);
    expect(ada!.failures[0]?.nodeId).toBe(nodes[1]!.nodeId);
    expect(ada!.failures[0]?.error.code).toMatch(/^MESH_RING_(FRAME_INVALID|BROKEN)$/);
    await ada!.core.load(planOf(shape, 2, [ada!]), model.path, never);
    const { tokens, errorCode } = await outcome;
    expect(errorCode).toBeUndefined();
    expect(tokens).toHaveLength(5);
    bob.end();
  });

  it("that has another plan for the epoch ends the attempt to join", async () => {
    const [ada] = await members(1);
    const plan = planOf(shape, 1, [ada!, { ...nodes[1]!, port: 9 }]);
    const loading = ada!.core.load(plan, model.path, never);
    const refused = expect(loading).rejects.toMatchObject({ code: "MESH_RING_FRAME_INVALID" });
    const bob = await Hostile.join(ada!, nodes[1]!, plan, new Uint8Array(32));
    await refused;
    bob.end();
  });
});

describe("strangers", () => {
  it("of the same member that the plan does not name are closed without a word", async () => {
    const [ada] = await members(1);
    const plan = planOf(shape, 1, [ada!, { ...nodes[1]!, port: 9 }]);
    const abort = new AbortController();
    const loading = ada!.core.load(plan, model.path, abort.signal);
    // One that the plan names is greeted: so the plan is there, and it is for cyd's name alone.
    const bob = await Hostile.join(ada!, nodes[1]!, plan, new Uint8Array(32), "silently");
    const cyd = await Hostile.dial(ada!, nodes[2]!, plan);
    cyd.hello();
    await expect.poll(() => cyd.isClosed).toBe(true);
    expect(cyd.bytesReceived).toBe(0);
    expect(bob.isClosed).toBe(false);
    bob.end();
    abort.abort(new Error("enough"));
    await expect(loading).rejects.toThrow("enough");
  });

  it("of another member do not get through the handshake", async () => {
    const [ada] = await members(1);
    const plan = planOf(shape, 1, [ada!]);
    await ada!.core.load(plan, model.path, never);
    const other = await (await TestAuthority.make("mallory")).node("mallory", "mallory");
    // They trust our CA, so that it is our side that has to refuse.
    const credentials = { ...other.credentials, caPem: authority.caPem };
    const stranger = await Hostile.dial(ada!, { ...other, credentials }, plan);
    stranger.hello();
    await expect.poll(() => stranger.isClosed).toBe(true);
    expect(stranger.bytesReceived).toBe(0);
    expect((await ada!.generate(greedy(PROMPT, 2)).outcome).tokens).toHaveLength(2);
  });
});

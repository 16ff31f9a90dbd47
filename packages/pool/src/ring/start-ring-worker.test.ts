/** Real processes with the real engine; the built entry, since a process cannot run sources. */
import { fileURLToPath } from "node:url";
import { silentLogger, systemClock } from "@hearthmesh/core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { readModel } from "../engine/read-model.js";
import type { ModelShape } from "../model/model-shape.js";
import {
  greedy,
  planOf,
  TestAuthority,
  type TestNode,
  writeTestModel,
} from "../testing/ring-members.js";
import type { GenerateRequest, GenerationEvent } from "./generation.js";
import { EVENTS_UNTAKEN_MAX } from "./limits.js";
import type { RingFailure } from "./ring-worker.js";
import type { RestartableRingWorker } from "./ring-worker-options.js";
import { startRingWorker } from "./start-ring-worker.js";

const ENTRY = fileURLToPath(new URL("../../dist/ring/worker-main.js", import.meta.url));
const never = new AbortController().signal;
const PROMPT = "Once upon a time there was a house";

interface Held {
  readonly name: string;
  readonly nodeId: TestNode["nodeId"];
  readonly worker: RestartableRingWorker;
  readonly port: number;
  readonly failures: RingFailure[];
}

let model: Awaited<ReturnType<typeof writeTestModel>>;
let shape: ModelShape;
let nodes: TestNode[];
let held: Held[] = [];

beforeAll(async () => {
  model = await writeTestModel();
  ({ shape } = await readModel(model.path));
  const authority = await TestAuthority.make();
  nodes = await Promise.all(["ada", "bob", "cyd"].map((name) => authority.node(name)));
});
afterAll(() => model.remove());
afterEach(async () => {
  await Promise.all(held.splice(0).map(({ worker }) => worker.close()));
});

async function start(count: number): Promise<Held[]> {
  held = await Promise.all(
    nodes.slice(0, count).map(async ({ name, nodeId, credentials }) => {
      const worker = await startRingWorker({
        ...{ credentials, nodeId, listen: { host: "127.0.0.1", port: 0 }, engine: "ggml" },
        ...{ threads: 1, memoryBytesMax: 1 << 28, sequencesMax: 2, batchRowsMax: 16 },
        ...{ logger: silentLogger, clock: systemClock(), entry: ENTRY },
      });
      const failures: RingFailure[] = [];
      worker.onFailure((failure) => failures.push(failure));
      return { name, nodeId, worker, port: worker.port, failures };
    }),
  );
  return [...held];
}

const loadAll = (all: readonly Held[], epoch: number, capacities?: readonly number[]) => {
  const plan = planOf(shape, epoch, all, capacities);
  return Promise.all(all.map(({ worker }) => worker.load(plan, model.path, never)));
};

async function answer(
  from: Held,
  request: GenerateRequest,
  onEvent: (event: GenerationEvent, tokens: number) => Promise<void> | void = () => undefined,
) {
  const tokens: number[] = [];
  const events: GenerationEvent[] = [];
  for await (const event of from.worker.generate(request, never)) {
    events.push(event);
    if (event.kind === "text") tokens.push(...event.tokens);
    await onEvent(event, tokens.length);
  }
  return { tokens, events };
}

describe("worker processes", () => {
  it.each(["SIGKILL", "SIGSTOP"] as const)(
    "give the same text when one gets %s in the middle of an answer",
    async (signal) => {
      const all = await start(3);
      const [ada, bob, cyd] = all as [Held, Held, Held];
      await loadAll(all, 1, [1, 1, 2]);
      const whole = await answer(ada, greedy(PROMPT, 30));
      const at = signal === "SIGKILL" ? 11 : 17;
      let isDown = false;
      const { tokens, events } = await answer(ada, greedy(PROMPT, 30), (_, count) => {
        if (count < at || isDown) return;
        isDown = true;
        process.kill(cyd.worker.processId!, signal);
        void expect
          .poll(() => ada.failures.length)
          .toBe(1)
          .then(() => loadAll([ada, bob], 2));
      });
      if (signal === "SIGSTOP") process.kill(cyd.worker.processId!, "SIGKILL");
      expect(tokens).toEqual(whole.tokens);
      expect(ada.failures[0]).toMatchObject({ epoch: 1, nodeId: cyd.nodeId });
      const last = events.at(-1);
      expect(last).toMatchObject({ kind: "done", completionTokens: 30 });
      expect(last?.kind === "done" && last.timings.epochs).toBe(2);
    },
  );

  it("are started again after they died, and say so", async () => {
    const [ada] = (await start(1)) as [Held];
    await loadAll([ada], 1);
    const { tokens } = await answer(ada, greedy(PROMPT, 8));
    const dying = answer(ada, greedy(PROMPT, 80), () => {
      process.kill(ada.worker.processId!, "SIGKILL");
    });
    await expect(dying).rejects.toMatchObject({ code: "MESH_ENGINE_FAILED" });
    await expect.poll(() => ada.failures.length).toBe(1);
    expect(ada.failures[0]).toMatchObject({ epoch: 1, nodeId: undefined });
    await expect(ada.worker.stats()).rejects.toMatchObject({ code: "MESH_RING_NOT_READY" });
    await ada.worker.restart();
    expect(ada.worker.port).toBe(ada.port);
    await loadAll([ada], 2);
    expect((await answer(ada, greedy(PROMPT, 8))).tokens).toEqual(tokens);
  });

  it("stop at once when the one who asked goes away", async () => {
    const [ada] = (await start(1)) as [Held];
    await loadAll([ada], 1);
    // Longer than what may lie there untaken, so that it cannot be done before it is cancelled.
    const long = greedy("b", EVENTS_UNTAKEN_MAX + 20);
    const abort = new AbortController();
    const run = async () => {
      for await (const event of ada.worker.generate(long, abort.signal)) {
        if (event.kind === "text") abort.abort();
      }
    };
    await expect(run()).rejects.toMatchObject({ code: "MESH_CANCELLED" });
    for await (const event of ada.worker.generate(long, never)) {
      if (event.kind === "text") break;
    }
    const { tokens } = await answer(ada, long);
    expect(tokens).toHaveLength(EVENTS_UNTAKEN_MAX + 20);
    const { tokensGenerated } = await ada.worker.stats();
    expect(tokensGenerated).toBeLessThan(3 * (EVENTS_UNTAKEN_MAX + 20));
  });

  it("refuse requests that make no sense, and models that do not fit", async () => {
    const [ada] = (await start(1)) as [Held];
    await expect(answer(ada, greedy(PROMPT, 3))).rejects.toMatchObject({
      code: "MESH_RING_NOT_READY",
    });
    await loadAll([ada], 1);
    await expect(answer(ada, greedy(PROMPT, 0))).rejects.toMatchObject({
      code: "MESH_BAD_REQUEST",
    });
    const plan = { ...planOf(shape, 2, [ada]), contextTokens: 1 << 19 };
    await expect(ada.worker.load(plan, model.path, never)).rejects.toMatchObject({
      code: "MESH_MODEL_MEMORY",
      details: expect.objectContaining({ missingBytes: expect.any(Number) }),
    });
  });
});

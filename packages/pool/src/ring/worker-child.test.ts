import { systemClock } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readModel } from "../engine/read-model.js";
import type { ModelShape } from "../model/model-shape.js";
import {
  greedy,
  planOf,
  TestAuthority,
  type TestNode,
  writeTestModel,
} from "../testing/ring-members.js";
import { KeptReader } from "./kept-reader.js";
import type { RequestReader } from "./model-answer.js";
import { WorkerChild } from "./worker-child.js";
import type { WorkerMessage } from "./worker-messages.js";

/** A worker without a process: what the agent says to it, and what it says. */
class TestChild {
  readonly node: TestNode;
  readonly said: WorkerMessage[] = [];
  readonly #child: WorkerChild;
  #call = 0;

  constructor(node: TestNode) {
    this.node = node;
    this.#child = new WorkerChild({
      clock: systemClock(),
      send: (message) => this.said.push(message),
      onClosed: () => undefined,
    });
  }

  async start(): Promise<number> {
    const { nodeId, credentials } = this.node;
    const settings = {
      ...{ nodeId, credentials, host: "127.0.0.1", port: 0, engine: "reference" as const },
      ...{ libraryFolder: undefined, device: "auto" },
      ...{ threads: 1, memoryBytesMax: 1 << 28, sequencesMax: 1, batchRowsMax: 16 },
    };
    await this.#child.onMessage({ kind: "start", settings });
    const [started] = this.said.filter(({ kind }) => kind === "started");
    return started?.kind === "started" ? started.port : 0;
  }

  /** The code of the error, if there is one. */
  async load(shape: ModelShape, epoch: number, port: number, path: string) {
    const call = ++this.#call;
    const { name, nodeId } = this.node;
    const plan = planOf(shape, epoch, [{ name, nodeId, port }]);
    await this.#child.onMessage({ kind: "load", call, plan, path });
    const answer = this.said.find((one) => one.kind === "answer" && one.call === call);
    return answer?.kind === "answer" ? answer.error?.code : "no answer";
  }

  async tokens(text: string, count: number): Promise<number[]> {
    const id = ++this.#call;
    await this.#child.onMessage({ kind: "generate", id, request: greedy(text, count) });
    const own = () =>
      this.said.flatMap((one) => (one.kind === "event" && one.id === id ? [one.event] : []));
    await expect.poll(() => own().at(-1)?.kind, { timeout: 20_000 }).toBe("done");
    return own().flatMap((event) => (event.kind === "text" ? event.tokens : []));
  }

  close(): Promise<void> {
    return this.#child.close();
  }
}

let model: Awaited<ReturnType<typeof writeTestModel>>;
let child: TestChild;

beforeEach(async () => {
  model = await writeTestModel();
  child = new TestChild(await (await TestAuthority.make()).node("ada"));
});
afterEach(async () => {
  await child.close();
  await model.remove();
});

describe("a leader's next plan", () => {
  it("for the same model reads nothing of its file again", async () => {
    const { shape } = await readModel(model.path);
    const port = await child.start();
    expect(await child.load(shape, 1, port, model.path)).toBeUndefined();
    const before = await child.tokens("Once upon a time", 6);
    // The same shard is loaded already, so that only the vocabulary could be looked for.
    await model.remove();
    expect(await child.load(shape, 2, port, model.path)).toBeUndefined();
    expect(await child.tokens("Once upon a time", 6)).toEqual(before);
  });
});

describe("a kept reader", () => {
  const reader: RequestReader = () => {
    throw new Error("not asked");
  };

  it("is one model's in one file, the last one", async () => {
    const opened: string[] = [];
    const readers = new KeptReader(async (path) => {
      opened.push(path);
      return reader;
    });
    // At the same time too: a plan may come while the one before it is still read.
    await Promise.all([readers.get("one", "a"), readers.get("one", "a")]);
    await readers.get("one", "b");
    await readers.get("two", "b");
    await readers.get("two", "b");
    await readers.get("one", "a");
    expect(opened).toEqual(["a", "b", "b", "a"]);
  });

  it("does not keep that a file could not be read", async () => {
    let tries = 0;
    const readers = new KeptReader(async () => {
      tries++;
      if (tries === 1) throw new Error("no such file");
      return reader;
    });
    await expect(readers.get("one", "a")).rejects.toThrow("no such file");
    expect(await readers.get("one", "a")).toBe(reader);
  });
});

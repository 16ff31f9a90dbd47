/** Members of a ring in one process: real engines, tokenizers, and TLS sockets on loopback. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Clock,
  type NodeId,
  silentLogger,
  systemClock,
  systemRandom,
  type TrustDomain,
} from "@hearthmesh/core";
import {
  createMemberCa,
  generateKeyPair,
  issueCertificate,
  type MemberCa,
  publicKeyDerOf,
} from "@hearthmesh/identity";
import { TextModel } from "../chat/text-model.js";
import { readModel } from "../engine/read-model.js";
import { openReferenceEngine } from "../engine/reference/open-reference-engine.js";
import type { ModelShape } from "../model/model-shape.js";
import type { GenerateRequest, GenerationEvent } from "../ring/generation.js";
import { requestReader } from "../ring/model-answer.js";
import type { RingPlan } from "../ring/ring-plan.js";
import type { RingFailure } from "../ring/ring-worker.js";
import { type RingCredentials, TensorPlane } from "../ring/tensor-plane.js";
import { WorkerCore } from "../ring/worker-core.js";
import { columnsOf } from "../shards/columns.js";
import { shardsOf } from "../shards/shards-of.js";
import { randomModelBytes, TINY_SHAPE } from "./random-model.js";

export interface TestNode {
  readonly name: string;
  readonly nodeId: NodeId;
  readonly credentials: RingCredentials;
}

/** A member's CA and as many of its nodes as are asked for. */
export class TestAuthority {
  readonly #ca: MemberCa;

  private constructor(ca: MemberCa) {
    this.#ca = ca;
  }

  static async make(memberId = "alice"): Promise<TestAuthority> {
    const trustDomain = `home.${memberId}`;
    const tools = { clock: systemClock(), random: systemRandom() };
    return new TestAuthority(await createMemberCa({ memberId, trustDomain, ...tools }));
  }

  get caPem(): string {
    return this.#ca.certificatePem;
  }

  async node(name: string, memberId = "alice"): Promise<TestNode> {
    const keys = generateKeyPair();
    const { certificatePem } = await issueCertificate({
      ca: this.#ca,
      publicKeyDer: publicKeyDerOf(keys.publicKeyPem),
      kind: "node",
      trustDomain: `home.${memberId}` as TrustDomain,
      name,
      validityMs: 3_600_000,
      clock: systemClock(),
      random: systemRandom(),
    });
    const { nodeId, privateKeyPem: keyPem } = keys;
    return { name, nodeId, credentials: { keyPem, certificatePem, caPem: this.caPem } };
  }
}

/** A random model that four members can share; its file is in a folder of its own. */
export async function writeTestModel(): Promise<{ path: string; remove(): Promise<void> }> {
  const shape = { ...TINY_SHAPE, heads: 8, kvHeads: 4, headWidth: 8 };
  const rope = { ...TINY_SHAPE.rope, dimensions: 8 };
  const folder = await mkdtemp(join(tmpdir(), "hearthmesh-ring-"));
  const path = join(folder, "model.gguf");
  await writeFile(path, randomModelBytes({ shape: { ...shape, rope }, seed: 5 }));
  return { path, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Plans of any members that have a name, an id and a port. */
export function planOf(
  shape: ModelShape,
  epoch: number,
  members: readonly { name: string; nodeId: NodeId; port: number }[],
  capacities: readonly number[] = members.map(() => 1),
): RingPlan {
  const shards = shardsOf(shape, columnsOf(capacities));
  return {
    v: 1,
    epoch,
    modelId: "test",
    contextTokens: 96,
    leader: members[0]!.nodeId,
    members: members.map(({ name, nodeId, port }, position) => ({
      ...{ name, nodeId, shard: shards[position]! },
      endpoints: [`127.0.0.1:${port}`],
    })),
  };
}

export const greedy = (text: string, maxTokens: number): GenerateRequest => ({
  prompt: { kind: "text", text },
  maxTokens,
  sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 1 },
  stop: [],
});

/** What came of one request. */
export interface Outcome {
  readonly tokens: number[];
  readonly events: GenerationEvent[];
  readonly errorCode: string | undefined;
}

export class RingMember {
  readonly name: string;
  readonly nodeId: NodeId;
  readonly core: WorkerCore;
  readonly failures: RingFailure[] = [];
  readonly #plane: TensorPlane;
  readonly #requests = new Map<number, Outcome & { done: (outcome: Outcome) => void }>();
  onEvent: (event: GenerationEvent, tokens: number) => void = () => undefined;
  #lastId = 0;

  private constructor(node: TestNode, plane: TensorPlane, clock: Clock) {
    this.name = node.name;
    this.nodeId = node.nodeId;
    this.#plane = plane;
    this.core = new WorkerCore({
      ...{ nodeId: node.nodeId, plane, clock, logger: silentLogger },
      ...{ threads: 1, memoryBytesMax: 1 << 28, sequencesMax: 3, batchRowsMax: 16 },
      openEngine: openReferenceEngine,
      readRequests: async (_, path) => requestReader(new TextModel((await readModel(path)).gguf)),
      yieldThen: (callback) => void setImmediate(callback),
      onEvent: (id, event) => this.#onEvent(id, event),
      onFailed: (id, error) => this.#end(id, error.code),
      onFailure: (failure) => this.failures.push(failure),
    });
  }

  static async start(node: TestNode, clock = systemClock()): Promise<RingMember> {
    const { credentials } = node;
    const options = { credentials, host: "127.0.0.1", port: 0, clock, logger: silentLogger };
    const plane = new TensorPlane(options);
    await plane.start();
    return new RingMember(node, plane, clock);
  }

  get port(): number {
    return this.#plane.port;
  }

  generate(request: GenerateRequest): { id: number; outcome: Promise<Outcome> } {
    const id = ++this.#lastId;
    const outcome = new Promise<Outcome>((done) => {
      this.#requests.set(id, { tokens: [], events: [], errorCode: undefined, done });
    });
    this.core.generate(id, request);
    return { id, outcome };
  }

  #onEvent(id: number, event: GenerationEvent): void {
    const request = this.#requests.get(id);
    request?.events.push(event);
    if (event.kind === "text") request?.tokens.push(...event.tokens);
    this.core.taken(id, 1);
    this.onEvent(event, request?.tokens.length ?? 0);
    if (event.kind === "done") this.#end(id, undefined);
  }

  #end(id: number, errorCode: string | undefined): void {
    const request = this.#requests.get(id);
    request?.done({ tokens: request.tokens, events: request.events, errorCode });
    this.#requests.delete(id);
  }
}

/** Goes `factor` times as fast: deadlines come sooner. */
export function fastClock(factor: number): Clock {
  const clock = systemClock();
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs() * factor,
    setTimeout: (callback, delayMs) => clock.setTimeout(callback, delayMs / factor),
  };
}

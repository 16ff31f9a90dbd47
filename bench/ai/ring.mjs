/** Rings of real worker processes: their certificates, plans and calls. */
import { fileURLToPath } from "node:url";
import { systemClock, systemRandom } from "@hearthmesh/core";
import {
  createMemberCa,
  generateKeyPair,
  issueCertificate,
  publicKeyDerOf,
} from "@hearthmesh/identity";
import { columnsOf, modelShapeOf, openFileSource, readGguf, shardsOf } from "@hearthmesh/pool";
import { startNode } from "./processes.mjs";

const PROCESS = fileURLToPath(new URL("./member-process.mjs", import.meta.url));
const TRUST_DOMAIN = "home.bench";
const tools = { clock: systemClock(), random: systemRandom() };

async function shapeOf(path) {
  const source = await openFileSource(path);
  try {
    return modelShapeOf(await readGguf(source));
  } finally {
    await source.close();
  }
}

/** A process that does what it is told over its channel. */
export class ToldProcess {
  #child;
  #calls = new Map();
  #next = 1;
  onFailure = () => {};
  onProgress = () => {};

  constructor(name, path, where = {}) {
    this.name = name;
    this.#child = startNode([path], where);
    this.#child.on("message", (message) => this.#hear(message));
    this.#child.on("exit", () => {
      for (const { reject } of this.#calls.values()) reject(new Error(`${name} is gone`));
      this.#calls.clear();
    });
  }

  call(call, fields = {}) {
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      this.#calls.set(id, { resolve, reject });
      this.#child.send({ id, call, ...fields });
    });
  }

  #hear({ id, result, error, failure, progress }) {
    if (failure !== undefined) this.onFailure(failure);
    if (progress !== undefined) this.onProgress(progress);
    const waiting = this.#calls.get(id);
    this.#calls.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(`${this.name}: ${error}`));
  }

  stop() {
    const gone = new Promise((resolve) => this.#child.once("exit", resolve));
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.disconnect();
    return gone;
  }
}

/** One process that holds a worker. */
class Member extends ToldProcess {
  constructor(name, keys, where) {
    super(name, PROCESS, where);
    this.keys = keys;
  }
}

/**
 * Starts a ring. `members`: for each `{ share, threads, cores, namespace, host }`; the first one
 * leads. Every share is a capacity, as a pool's members state it.
 */
export async function startRing({ model, members, contextTokens = 256 }) {
  const ca = await createMemberCa({ memberId: "bench", trustDomain: TRUST_DOMAIN, ...tools });
  const started = [];
  try {
    for (const [at, { threads, cores, namespace, host = "127.0.0.1" }] of members.entries()) {
      const name = `member-${at + 1}`;
      const keys = generateKeyPair();
      const member = new Member(name, keys, { cores, namespace });
      started.push(member);
      const settings = await settingsOf(ca, member, { threads, host });
      const { port } = await member.call("start", { settings });
      member.endpoint = `${host}:${port}`;
    }
    return new Ring(model, await shapeOf(model), started, members, contextTokens);
  } catch (error) {
    await Promise.all(started.map((member) => member.stop()));
    throw error;
  }
}

async function settingsOf(ca, { name, keys }, { threads, host }) {
  const { certificatePem } = await issueCertificate({
    ca,
    publicKeyDer: publicKeyDerOf(keys.publicKeyPem),
    kind: "node",
    trustDomain: TRUST_DOMAIN,
    name,
    validityMs: 3_600_000,
    ...tools,
  });
  return {
    credentials: { keyPem: keys.privateKeyPem, certificatePem, caPem: ca.certificatePem },
    nodeId: keys.nodeId,
    listen: { host, port: 0 },
    engine: "ggml",
    device: "cpu",
    threads,
    memoryBytesMax: 4 * 2 ** 30,
    sequencesMax: 1,
    batchRowsMax: 256,
  };
}

class Ring {
  #epoch = 0;

  constructor(model, shape, members, wishes, contextTokens) {
    Object.assign(this, { model, shape, members, wishes, contextTokens });
  }

  get leader() {
    return this.members[0];
  }

  /** Loads the model on these members of it, all at once; the slowest one's time. */
  async load(members = this.members) {
    this.#epoch += 1;
    const shares = members.map((member) => this.wishes[this.members.indexOf(member)].share ?? 1);
    const shards = shardsOf(this.shape, columnsOf(shares));
    const plan = {
      v: 1,
      epoch: this.#epoch,
      modelId: "00".repeat(32),
      contextTokens: this.contextTokens,
      members: members.map(({ name, keys, endpoint }, at) => ({
        nodeId: keys.nodeId,
        name,
        shard: shards[at],
        endpoints: [endpoint],
      })),
      leader: this.leader.keys.nodeId,
    };
    const loads = members.map((member) => member.call("load", { plan, path: this.model }));
    return Math.max(...(await Promise.all(loads)).map(({ loadMs }) => loadMs));
  }

  /** A greedy answer, with rates. `tellsProgress`: `onProgress` of the leader is called. */
  async generate(prompt, tokens, tellsProgress = false) {
    const request = {
      prompt: { kind: "text", text: prompt },
      maxTokens: tokens,
      sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 1 },
      stop: [],
    };
    const answer = await this.leader.call("generate", { request, tellsProgress });
    const { promptTokens, completionTokens, timings } = answer;
    return {
      ...answer,
      promptPerSecond: (promptTokens / timings.promptMs) * 1000,
      decodePerSecond: ((completionTokens - 1) / timings.decodeMs) * 1000,
    };
  }

  stats() {
    return Promise.all(this.members.map((member) => member.call("stats")));
  }

  async stop() {
    await Promise.all(this.members.map((member) => member.stop()));
  }
}

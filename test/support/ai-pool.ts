/** A pool of real daemons that run the demo model together. The first one is the coordinator. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { freePortBase, PORT_STEP } from "../../scripts/free-ports.mjs";
import { MeshProcess, meshOk } from "../../scripts/mesh-processes.mjs";

export interface AiAnswer {
  readonly text: string;
  readonly timings: { readonly epochs: number; readonly pauseMs: number } | undefined;
}

export interface AiRing {
  readonly ringId: string;
  readonly epoch: number;
  readonly placement: string;
  readonly state: string;
  readonly members: readonly { readonly name: string }[];
}

interface AiPoolOptions<Name extends string> {
  readonly folder: string;
  readonly names: readonly [Name, ...Name[]];
  /** Arguments of every daemon. */
  readonly args?: readonly string[];
  /** Variables of one daemon. */
  readonly variables?: Partial<Record<Name, Record<string, string>>>;
  /** Before a daemon is started the first time. */
  prepare?(home: string): void;
}

const ONLINE_MS = 60_000;
const ANSWER_MS = 240_000;

export class AiPool<Name extends string> {
  readonly #names: readonly [Name, ...Name[]];
  readonly #nodes: Map<Name, MeshProcess>;

  private constructor(names: readonly [Name, ...Name[]], nodes: Map<Name, MeshProcess>) {
    this.#names = names;
    this.#nodes = nodes;
  }

  static async start<Name extends string>(options: AiPoolOptions<Name>): Promise<AiPool<Name>> {
    const { folder, names, args = [], variables = {}, prepare } = options;
    const base = await freePortBase(names.length);
    const nodes = new Map<Name, MeshProcess>();
    const pool = new AiPool(names, nodes);
    for (const [index, name] of names.entries()) {
      const home = join(folder, name);
      mkdirSync(home, { recursive: true });
      prepare?.(home);
      const portBase = base + index * PORT_STEP;
      const up = ["up", "--port-base", String(portBase), "--beacon", "no", ...args];
      const own = (variables as Record<string, Record<string, string>>)[name] ?? {};
      const isCoordinator = index === 0;
      nodes.set(
        name,
        new MeshProcess({ ...{ name, home, portBase, isCoordinator }, args: up, variables: own }),
      );
    }
    const [leading, ...others] = names;
    const first = pool.node(leading);
    await meshOk(first.home, ["init", "--network-id", "test", "--name", leading]);
    const create = ["pool", "create", "--name", "ring", "--json"];
    const { poolId, rootPublicKey } = JSON.parse(await meshOk(first.home, create));
    first.start();
    await first.ready();
    for (const name of others) {
      const { home } = pool.node(name);
      await meshOk(home, ["init", "--network-id", "test", "--name", name]);
      const { code } = JSON.parse(await meshOk(first.home, ["pool", "pair", "--json"]));
      const which = ["--pool-id", poolId, "--pool-root-pubkey", rootPublicKey];
      const where = ["--name", "ring", "--peer", `127.0.0.1:${9001 + base}`, "--code", "-"];
      await meshOk(home, ["pool", "join", ...which, ...where], { input: code });
      pool.node(name).start();
    }
    await pool.allOnline();
    return pool;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#nodes.values()].map((one) => one.kill("SIGTERM")));
  }

  node(name: Name): MeshProcess {
    return this.#nodes.get(name) as MeshProcess;
  }

  async get<Answer>(name: Name, path: string): Promise<Answer> {
    return (await fetch(`${this.node(name).httpUrl}${path}`)).json() as Promise<Answer>;
  }

  /** All see all. */
  async allOnline(): Promise<void> {
    for (const name of this.#names) {
      await vi.waitFor(
        async () => {
          type Pools = { pools: { members: { status: string }[] }[] };
          const { pools } = await this.get<Pools>(name, "/api/pools");
          const there = pools[0]?.members.filter(({ status }) => status === "online");
          expect(there).toHaveLength(this.#names.length);
        },
        { timeout: ONLINE_MS, interval: 100 },
      );
    }
  }

  /** Of the rings that it leads, the first. */
  async ring(name: Name): Promise<AiRing | undefined> {
    return (await this.get<{ led: AiRing[] }>(name, "/api/inference/rings")).led[0];
  }

  /** A greedy answer as a stream; an error in it fails the test. */
  async tell(name: Name, more: object = {}): Promise<AiAnswer> {
    const body = { prompt: "Once upon a time", max_tokens: 60, temperature: 0, ...more };
    const answer = await fetch(`${this.node(name).httpUrl}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "demo", stream: true, timings: true, ...body }),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    expect(answer.status).toBe(200);
    let [text, rest] = ["", ""];
    let timings: AiAnswer["timings"];
    for await (const bytes of answer.body ?? []) {
      rest += Buffer.from(bytes).toString();
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines.filter((one) => one.startsWith("data: {"))) {
        const event = JSON.parse(line.slice(6));
        expect(event.error).toBeUndefined();
        text += event.choices?.[0]?.text ?? "";
        timings = event.timings ?? timings;
      }
    }
    return { text, timings };
  }
}

/** So slow, as they say, that all together are faster than fewer, however late links are. */
const SLOW_BYTES_PER_SECOND = 1e4;

/** Before a start: what its engine was measured to do, with so many threads (`--ai-threads`). */
export function measuredSlow(home: string, threads: number): void {
  const measured = { engine: "ggml", threads, bytesPerSecond: SLOW_BYTES_PER_SECOND };
  mkdirSync(join(home, "ai"));
  const record = JSON.stringify({ v: 1, ...measured, measuredAtMs: Date.now() });
  writeFileSync(join(home, "ai", "measured.json"), record);
}

/** The processes that hold an engine of this daemon. */
export function enginePids(daemon: MeshProcess): number[] {
  const tasks = `/proc/${daemon.pid}/task`;
  const children = readdirSync(tasks).flatMap((task) =>
    readFileSync(`${tasks}/${task}/children`, "utf8").split(" ").filter(Boolean),
  );
  const isEngine = (pid: string) =>
    readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("worker-main.js");
  return children.filter(isEngine).map(Number);
}

/** Names of the members of a ring, in the order of the alphabet. */
export function membersOf(ring: AiRing | undefined): string[] {
  return (ring?.members ?? []).map(({ name }) => name).sort();
}

/**
 * A grant that comes and goes while somebody works with it. Between two turns nothing is in doubt:
 * with the grant no refusal, without it no success. An attempt during which a turn began or ended
 * may come out either way.
 */
import { type Clock, isMeshError, sleep } from "@hearthmesh/core";
import type { MeshClient } from "./mesh-client.js";
import { isAllowedFailure } from "./outcomes.js";
import type { SeededRandom } from "./seeded-random.js";
import type { Trace } from "./trace.js";
import { describeError } from "./tree-workload.js";
import type { Violations } from "./violations.js";

/** The operator. Fails with `MESH_UNREACHABLE` while the coordinator does not run. */
export interface GrantKeeper {
  /** Resolves to the grant's id. The same again changes nothing. */
  give(person: string, grant: string): Promise<string>;
  take(id: string): Promise<void>;
}

export interface GrantTurnsOptions {
  client: MeshClient;
  keeper: GrantKeeper;
  clock: Clock;
  random: SeededRandom;
  trace: Trace;
  violations: Violations;
  /** How often the grant comes and goes. */
  turns: number;
  /** A directory that the client has no other right to. */
  path: string;
}

type State = "without" | "turning" | "with";

/** Larger than what goes through the coordinator, so that tickets and storage nodes take part. */
const LARGE_BYTES = 300_000;
const AGAIN_MS = 1000;

export async function runGrantTurns(options: GrantTurnsOptions): Promise<void> {
  const turns = new GrantTurns(options);
  await Promise.all([turns.turn(), turns.attempt()]);
}

class GrantTurns {
  readonly #options: GrantTurnsOptions;
  #state: State = "without";
  /** Grows when a turn begins and when it has ended. */
  #moment = 0;
  #isOver = false;

  constructor(options: GrantTurnsOptions) {
    this.#options = options;
  }

  async turn(): Promise<void> {
    const { clock, random, turns } = this.#options;
    for (let turn = 0; turn < turns; turn++) {
      this.#enter("turning");
      const id = await this.#given();
      this.#enter("with");
      await sleep(clock, random.integer(1000, 8000));
      this.#enter("turning");
      await this.#taken(id);
      this.#enter("without");
      await sleep(clock, random.integer(1000, 8000));
    }
    this.#isOver = true;
  }

  async attempt(): Promise<void> {
    const { clock, random } = this.#options;
    while (!this.#isOver) {
      await sleep(clock, random.integer(0, 500));
      const [state, moment] = [this.#state, this.#moment];
      const [what, run] = this.#next();
      const outcome = await run().then(
        () => undefined,
        (error: unknown) => ({ error }),
      );
      if (moment === this.#moment && state !== "turning") this.#judge(state, what, outcome);
    }
  }

  #judge(state: "with" | "without", what: string, outcome: { error: unknown } | undefined): void {
    const { client, violations } = this.#options;
    const isRefused = outcome !== undefined && isMeshError(outcome.error, "MESH_FORBIDDEN");
    if (state === "with" && isRefused) violations.add(`${client.name} was refused to ${what}`);
    if (state === "with" || isRefused) return;
    if (outcome === undefined) violations.add(`${client.name} was allowed to ${what}`);
    else if (!isAllowedFailure(outcome.error)) {
      violations.add(`${client.name}: ${what}: ${describeError(outcome.error)}`);
    }
  }

  #next(): [string, () => Promise<unknown>] {
    const { client, random, path } = this.#options;
    const file = `${path}/large`;
    const small = random.bytes(random.integer(0, 5000));
    const large = random.bytes(LARGE_BYTES);
    return random.pick<[string, () => Promise<unknown>]>([
      [`write ${path}/small`, () => client.write(`${path}/small`, small)],
      [`write ${file}`, () => client.write(file, large)],
      [`read ${file}`, () => this.#unlessMissing(() => client.read(file))],
      [`list ${path}`, () => client.list(path)],
    ]);
  }

  /** With the grant, a file that was not written yet may be missed; without it, nothing is told. */
  async #unlessMissing(read: () => Promise<unknown>): Promise<void> {
    try {
      await read();
    } catch (error) {
      const isMissing = isMeshError(error, "MESH_PATH_NOT_FOUND");
      if (!isMissing || this.#state === "without") throw error;
    }
  }

  #given(): Promise<string> {
    const { client, keeper, path } = this.#options;
    return this.#untilDone(() => keeper.give(client.name, `${path}:read+write`));
  }

  #taken(id: string): Promise<void> {
    return this.#untilDone(async () => {
      try {
        await this.#options.keeper.take(id);
      } catch (error) {
        // The answer to the first attempt was lost with the coordinator.
        if (!isMeshError(error, "MESH_GRANT_UNKNOWN")) throw error;
      }
    });
  }

  /** A turn that broke off with the coordinator is made again: each says the same twice. */
  async #untilDone<Value>(run: () => Promise<Value>): Promise<Value> {
    const { clock, trace, client } = this.#options;
    for (;;) {
      try {
        return await run();
      } catch (error) {
        trace.record(client.name, `a grant did not turn: ${describeError(error)}`);
        await sleep(clock, AGAIN_MS);
      }
    }
  }

  #enter(state: State): void {
    const { trace, client, path } = this.#options;
    this.#state = state;
    this.#moment++;
    trace.record(client.name, `${state} the grant on ${path}`);
  }
}

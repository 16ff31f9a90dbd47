/** The two engines of this package, ready for the suite: each with a clock that the test moves. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import { memoryStore } from "../memory/memory-store.js";
import { openSqliteStore, type SqliteStoreOptions } from "../sqlite/sqlite-store.js";
import type { Store } from "../types.js";
import type { StoreUnderTest } from "./harness.js";

class Subject<Engine extends Store> implements StoreUnderTest {
  store: Engine;
  readonly #clock: ManualClock;
  readonly #openAgain: (closed: Engine) => Promise<Engine>;
  readonly #remove: () => Promise<void>;

  constructor(
    store: Engine,
    clock: ManualClock,
    openAgain: (closed: Engine) => Promise<Engine>,
    remove: () => Promise<void>,
  ) {
    this.store = store;
    this.#clock = clock;
    this.#openAgain = openAgain;
    this.#remove = remove;
  }

  async reopen(): Promise<void> {
    await this.store.close();
    this.store = await this.#openAgain(this.store);
  }

  async advance(durationMs: number): Promise<void> {
    this.#clock.pass(durationMs);
    // Writes are answered in order: after this one, those that the clock caused are done.
    await this.store.transact({ success: [] });
  }

  async dispose(): Promise<void> {
    await this.store.close();
    await this.#remove();
  }
}

export async function memorySubject(): Promise<StoreUnderTest> {
  const clock = new ManualClock();
  return new Subject(
    memoryStore({ clock }),
    clock,
    async ({ history }) => memoryStore({ clock, history }),
    async () => undefined,
  );
}

/** In a temporary directory that `dispose` removes. */
export async function sqliteSubject(
  options: Partial<SqliteStoreOptions> = {},
): Promise<StoreUnderTest> {
  const clock = new ManualClock();
  const directory = await mkdtemp(join(tmpdir(), "hearthmesh-store-"));
  const open = () => openSqliteStore({ directory, clock, log: silentLogger, ...options });
  return new Subject(await open(), clock, open, () =>
    rm(directory, { recursive: true, force: true }),
  );
}

import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sleep, systemClock } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import { afterEach, describe, expect, it } from "vitest";
import { type MemoryStore, memoryStore } from "../../memory/memory-store.js";
import type { TransactionResult } from "../../types.js";
import { checkHistory } from "./check-history.js";
import { ClientRun } from "./client-run.js";
import type { ClientEvent, History } from "./format.js";
import type { RecordedStore } from "./perform.js";
import { remoteStore } from "./remote-store.js";
import { seededRandom } from "./seeded-random.js";
import { serveStore } from "./store-server.js";
import { TEST_HEADER } from "./test-histories.js";
import { END_KEY } from "./workload.js";

const CALLS = 900;

/** Two clients on one store until there are enough calls. */
async function recordOn(stores: readonly RecordedStore[]): Promise<History> {
  const events: ClientEvent[] = [];
  const clock = systemClock();
  const runs = stores.map(
    (store, place) =>
      new ClientRun({
        store,
        clock,
        random: seededRandom(place),
        nowUs: () => Math.floor(performance.now() * 1000),
        emit: (event) => events.push(event),
        place,
        clients: stores.length,
        registerWorkers: 3,
        pauseMs: 0.5,
        startRevision: 1,
      }),
  );
  for (const run of runs) run.start();
  while (events.length < CALLS * 2) await sleep(clock, 5);
  await Promise.all(runs.map((run) => run.stopWork()));
  const revision = (await runs[0]?.writeEnd()) ?? 0;
  await Promise.all(runs.map((run) => run.finish(revision)));
  return { header: TEST_HEADER, events };
}

const check = (history: History) => checkHistory(history, { nowMs: () => performance.now() });

/** The store, but for what is replaced. */
function changed(store: MemoryStore, changes: Partial<RecordedStore>): RecordedStore {
  return {
    get: (key) => store.get(key),
    range: (range, options) => store.range(range, options),
    transact: (transaction) => store.transact(transaction),
    grantLease: (ttlMs) => store.grantLease(ttlMs),
    watch: (range, options) => store.watch(range, options),
    ...changes,
  };
}

describe("a recording", () => {
  const store = () => memoryStore({ clock: new ManualClock() });

  it("of a store that keeps its promises is linearizable, with all its parts", async () => {
    const one = store();
    const history = await recordOn([one, one]);
    const report = check(history);
    expect(report.problems).toEqual([]);
    expect(report.verdict).toBe("linearizable");
    expect(report.counts.ok).toBeGreaterThan(CALLS / 2);
    expect(report.counts.batches).toBeGreaterThan(100);
    const operations = history.events.map((event) => event.op);
    // What a worker with the lock does seldom may be missing.
    for (const op of "cas delete fenced get grant lock put range txn watch".split(" ")) {
      expect(operations).toContain(op);
    }
  });

  it("of a store that answers reads from the revision before is not", async () => {
    const one = store();
    const stale = changed(one, {
      get: async (key) =>
        one.get(key, { revision: Math.max(1, (await one.status()).revision - 1) }),
    });
    const report = check(await recordOn([one, stale]));
    expect(report.verdict).toBe("violation");
    const rules = new Set(report.problems.map(({ rule }) => rule));
    expect(rules).toContain("order of revisions");
  });

  it("of a store that answers some writes and forgets them is not", async () => {
    const one = store();
    let count = 0;
    const forgetful = changed(one, {
      async transact(transaction): Promise<TransactionResult> {
        const [first] = transaction.success;
        const isPlainPut = transaction.compare?.length === 0 && first?.type === "put";
        if (!isPlainPut || first.key === END_KEY || ++count % 10 > 0) {
          return one.transact(transaction);
        }
        return { succeeded: true, revision: (await one.status()).revision + 1, results: [] };
      },
    });
    expect(check(await recordOn([one, forgetful])).verdict).toBe("violation");
  });

  it("of a watch that leaves some batches out is not", async () => {
    const one = store();
    const leaky = changed(one, {
      watch: async function* (range, options) {
        for await (const batch of one.watch(range, options)) {
          const isEnd = batch.events.some(
            (event) => event.type === "put" && event.entry.key === END_KEY,
          );
          // Without the last one the recording would wait for it.
          if (isEnd || batch.revision % 4 > 0) yield batch;
        }
      },
    });
    const report = check(await recordOn([leaky, one]));
    expect(report.problems.map(({ rule }) => rule)).toContain("watch");
  });
});

describe("a store over a socket", () => {
  const opened: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of opened.splice(0).reverse()) await close();
  });
  async function socketPath(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), "hearthmesh-socket-"));
    opened.push(() => rm(folder, { recursive: true, force: true }));
    return join(folder, "socket");
  }

  it("is the store behind it, recorded by two clients", async () => {
    const path = await socketPath();
    const server = await serveStore(memoryStore({ clock: new ManualClock() }), path);
    const clients = [1, 2].map(() => {
      return remoteStore({ path, clock: systemClock(), timeoutMs: 60_000 });
    });
    opened.push(() => new Promise((resolve) => server.close(resolve)));
    for (const client of clients) opened.push(() => client.close());
    const history = await recordOn(clients);
    expect(check(history)).toMatchObject({ verdict: "linearizable", counts: { info: 0 } });
    // A guard that does not hold is an answer as well; nothing else may fail.
    const codes = new Set(
      history.events.flatMap((event) => ("error" in event ? [event.error] : [])),
    );
    codes.delete("MESH_EPOCH_OLD");
    expect([...codes]).toEqual([]);
  });

  it("says what it does not know when the answer is lost, and what it does", async () => {
    const path = await socketPath();
    const clock = new ManualClock();
    const client = remoteStore({ path, clock, timeoutMs: 10 });
    opened.push(() => client.close());
    await expect(client.get("k")).rejects.toMatchObject({ code: "MESH_STORE_UNAVAILABLE" });
    let accepted = () => {};
    const silent = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => accepted());
      opened.push(() => socket.destroy());
    });
    await new Promise<void>((resolve) => silent.listen(path, resolve));
    opened.push(() => new Promise((resolve) => silent.close(resolve)));
    const asked = new Promise<void>((resolve) => {
      accepted = resolve;
    });
    const answer = client.transact({ success: [] });
    const isLost = expect(answer).rejects.toMatchObject({ code: "MESH_STORE_RESULT_UNKNOWN" });
    await asked;
    clock.pass(10);
    await isLost;
  });
});

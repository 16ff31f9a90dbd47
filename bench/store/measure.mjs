/** The measurements of the embedded engine and of bare SQLite. Each answers one number or a few. */
import { join } from "node:path";
import { silentLogger, systemClock } from "@hearthmesh/core";
import { expectMissing, openSqliteStore, put } from "@hearthmesh/store";

const VALUE = new Uint8Array(256).fill(7);
const READ_KEYS = 10_000;

export function openStore(folder) {
  const directory = join(folder, "store");
  return openSqliteStore({ directory, clock: systemClock(), log: silentLogger });
}

export function perSecond(count, startMs) {
  return (count / (performance.now() - startMs)) * 1000;
}

/** Durable compare-and-set writes of new keys of 256 bytes, each writer waiting for its answer. */
export async function casWrites(store, { label, writers, count }) {
  const share = Math.floor(count / writers);
  const startMs = performance.now();
  const write = async (_, writer) => {
    for (let index = 0; index < share; index++) {
      const key = `cas/${label}/${writer}/${index}`;
      const transaction = { compare: [expectMissing(key)], success: [put(key, VALUE)] };
      const { succeeded } = await store.transact(transaction);
      if (!succeeded) throw new Error(`${key} was there already`);
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
  return perSecond(share * writers, startMs);
}

/** The same rows straight into SQLite with the same settings, one transaction and fsync each. */
export function rawWrites(Database, folder, { label, count }) {
  const database = openRaw(Database, folder);
  const find = database.prepare("SELECT 1 FROM entry WHERE key = ?");
  const insert = database.prepare("INSERT INTO entry VALUES (?, ?)");
  const startMs = performance.now();
  for (let index = 0; index < count; index++) {
    const key = `cas/${label}/${index}`;
    database.exec("BEGIN IMMEDIATE");
    if (find.get([key]) === undefined) insert.run([key, VALUE]);
    database.exec("COMMIT");
  }
  const rate = perSecond(count, startMs);
  database.close();
  return rate;
}

function openRaw(Database, folder) {
  const database = new Database(join(folder, `raw-${performance.now()}.db`));
  database.pragma("journal_mode = WAL");
  // better-sqlite3 is built so that a commit in WAL mode is not synced unless it is told to.
  database.exec("PRAGMA synchronous = FULL");
  database.exec("CREATE TABLE entry (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID");
  return database;
}

function readKey(index) {
  return `read/${(index * 7919) % READ_KEYS}`;
}

export async function prepareReads(store) {
  const keys = Array.from({ length: READ_KEYS }, (_, index) => readKey(index));
  await Promise.all(keys.map((key) => store.transact({ success: [put(key, VALUE)] })));
}

/** Reads of one key after the other, each awaited. */
export async function pointReads(store, { count }) {
  const startMs = performance.now();
  for (let index = 0; index < count; index++) {
    if ((await store.get(readKey(index))) === undefined) throw new Error("a key is missing");
  }
  return perSecond(count, startMs);
}

export function rawReads(Database, folder, { count }) {
  const database = openRaw(Database, folder);
  const insert = database.prepare("INSERT INTO entry VALUES (?, ?)");
  database.exec("BEGIN");
  for (let index = 0; index < READ_KEYS; index++) insert.run([readKey(index), VALUE]);
  database.exec("COMMIT");
  const find = database.prepare("SELECT key, value FROM entry WHERE key = ?").raw();
  const startMs = performance.now();
  for (let index = 0; index < count; index++) find.get([readKey(index)]);
  const rate = perSecond(count, startMs);
  database.close();
  return rate;
}

/** Milliseconds from the call of a put to its event at a watcher, with some writers at a time. */
export async function watchLatency(store, { label, writers, count }) {
  const sentMs = new Map();
  const latencies = [];
  const share = Math.floor(count / writers);
  const watch = store.watch({ prefix: `watch/${label}/` })[Symbol.asyncIterator]();
  const received = (async () => {
    while (latencies.length < share * writers) {
      const { value } = await watch.next();
      const nowMs = performance.now();
      for (const event of value.events) latencies.push(nowMs - sentMs.get(event.entry.key));
    }
    await watch.return();
  })();
  const write = async (_, writer) => {
    for (let index = 0; index < share; index++) {
      const key = `watch/${label}/${writer}/${index}`;
      sentMs.set(key, performance.now());
      await store.transact({ success: [put(key, VALUE)] });
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
  await received;
  return quantiles(latencies);
}

/** p50 and p99. */
export function quantiles(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return [0.5, 0.99].map((share) => sorted[Math.ceil(sorted.length * share) - 1]);
}

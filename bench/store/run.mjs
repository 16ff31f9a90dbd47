/**
 * `npm run bench -- store`: the embedded store beside bare SQLite on the same disk in the same run.
 * Every number is the median of the rounds, which take turns, so that a busy moment hits all.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  casWrites,
  openStore,
  pointReads,
  prepareReads,
  rawReads,
  rawWrites,
  watchLatency,
} from "./measure.mjs";

const ROUNDS = 3;
const MARKS = { "CAS writes/s, 32 writers": 20_000, "point reads/s": 200_000 };

const folder = mkdtempSync(join(process.env.MESH_BENCH_DIR ?? tmpdir(), "hearthmesh-bench-"));
const results = new Map();

function note(name, value) {
  results.set(name, [...(results.get(name) ?? []), value]);
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

function row(name, values, mark = "") {
  const shown = (value) =>
    value < 100 ? value.toFixed(2) : Math.round(value).toLocaleString("en");
  const columns = [median(values), Math.min(...values), Math.max(...values)].map(shown);
  console.log([name.padEnd(36), ...columns.map((text) => text.padStart(10)), mark].join("  "));
}

async function round(store, label) {
  note("bare SQLite commits/s, 1 writer", rawWrites(folder, { label, count: 1000 }));
  note("CAS writes/s, 1 writer", await casWrites(store, { label, writers: 1, count: 1000 }));
  const many = { label: `many-${label}`, writers: 32, count: 20_000 };
  note("CAS writes/s, 32 writers", await casWrites(store, many));
  note("bare SQLite reads/s", rawReads(folder, { count: 100_000 }));
  note("point reads/s", await pointReads(store, { count: 100_000 }));
  for (const writers of [1, 32]) {
    const name = `put to watch ms, ${writers} writer${writers > 1 ? "s" : ""}`;
    const latency = { label: `${label}-${writers}`, writers, count: 1000 * Math.sqrt(writers) };
    const [p50, p99] = await watchLatency(store, latency);
    note(`${name}, p50`, p50);
    note(`${name}, p99`, p99);
  }
}

try {
  const store = await openStore(folder);
  await prepareReads(store);
  for (let index = 0; index < ROUNDS; index++) await round(store, `round-${index}`);
  await store.close();
  console.log("256-byte values, fsync before every answer; median, lowest and highest of 3 rounds");
  const heads = ["median", "lowest", "highest"].map((text) => text.padStart(10));
  console.log(["".padEnd(36), ...heads].join("  "));
  for (const [name, values] of results) {
    const mark = MARKS[name];
    const verdict = mark === undefined ? "" : median(values) >= mark ? "reached" : "below";
    row(name, values, mark === undefined ? "" : `mark ${mark.toLocaleString("en")}: ${verdict}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/**
 * `npm run bench -- store [--only embedded,etcd,failover] [--rounds 5] [--runs 20]
 * [--lease-ms 1000] [--election-ms 300] [--suspect-ms (none)]`: the embedded store beside bare
 * SQLite on the same disk; our engine on etcd beside the `etcd3` client on the same etcd; and how
 * long three coordinators on three etcd members are without a leader when it is killed with its
 * etcd. Rounds take turns, the table shows medians, and every figure goes to
 * `bench/results/store.json`. MESH_BENCH_DIR: where the data lies; a temporary folder without it.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { whyNoEtcd } from "@hearthmesh/store/testing";
import { root, say } from "../../scripts/lib.mjs";
import { measureEmbedded } from "./embedded.mjs";
import { measureFailover } from "./failover.mjs";
import { bareSqlite, installPeers, versionOf } from "./install-peers.mjs";
import { measureOverEtcd } from "./over-etcd.mjs";
import { embeddedRows, etcdRows, failoverRows, machine, table } from "./report.mjs";

const PARTS = ["embedded", "etcd", "failover"];
const flag = (name, standard) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? standard : process.argv[at + 1];
};
const only = flag("only", PARTS.join(",")).split(",");
const rounds = Number(flag("rounds", 5));
const runs = Number(flag("runs", 20));
const suspectMs = flag("suspect-ms", undefined);
const times = {
  leaseTimeMs: Number(flag("lease-ms", 1000)),
  electionTimeoutMs: Number(flag("election-ms", 300)),
  ...(suspectMs === undefined ? {} : { suspectMs: Number(suspectMs) }),
};
if (only.some((part) => !PARTS.includes(part)) || !(rounds >= 1) || !(runs >= 1)) {
  say("Usage: npm run bench -- store [--only embedded,etcd,failover] [--rounds 5] [--runs 20]");
  process.exit(2);
}

if (process.env.MESH_BENCH_DIR !== undefined) process.env.TMPDIR = process.env.MESH_BENCH_DIR;
const folder = mkdtempSync(join(tmpdir(), "hearthmesh-bench-store-"));
const file = join(root, "bench/results/store.json");
/** What an earlier run with `--only` measured stays, with its own time. */
const results = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
const rows = [];

async function part(name, work) {
  if (!only.includes(name)) return;
  const before = machine();
  const measured = await work();
  const at = new Date().toISOString();
  results[name] = { at, before, after: machine(), ...measured };
  writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`);
}

try {
  if (only.includes("embedded") || only.includes("etcd")) installPeers(say);
  await part("embedded", async () => {
    const bare = bareSqlite();
    const figures = await measureEmbedded({ folder, rounds, bare, say });
    rows.push(...embeddedRows(figures, bare.name));
    return { bare: bare.name, rounds, figures };
  });
  const missing = whyNoEtcd();
  if (missing !== undefined) say(`Without the parts on etcd: ${missing}.`);
  else {
    await part("etcd", async () => {
      const figures = await measureOverEtcd({ rounds, say });
      rows.push(...etcdRows(figures, versionOf("etcd3")));
      return { peer: `etcd3 ${versionOf("etcd3")}`, rounds, figures };
    });
    await part("failover", async () => {
      const measured = await measureFailover({ runs, times, say });
      rows.push(...failoverRows(measured));
      return measured;
    });
  }
  const { load } = machine();
  say(`\n256-byte values; load of the machine at the end: ${load.map((one) => one.toFixed(1))}`);
  say(table(rows));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

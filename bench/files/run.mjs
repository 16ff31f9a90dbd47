/**
 * `npm run bench -- files [--only copies,idle,listing,scrub,large] [--rounds 3]
 * [--megabytes 300] [--entries 100000] [--gigabytes 10]`: files on real processes on loopback,
 * beside `dd`, bare TLS sockets, `rclone serve webdav` and nginx with WebDAV, in the same run and
 * on the same disk; `idle` is memory alone. Every figure goes to `bench/results/files.json`; what
 * was not measured this time is left as it was.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { root, say } from "../../scripts/lib.mjs";
import { copiesTable, measureCopies } from "./copies.mjs";
import { freeBytes } from "./figures.mjs";
import { idleTable, measureIdle } from "./idle.mjs";
import { largeTable, measureLarge } from "./large.mjs";
import { listingTable, measureListing } from "./listing.mjs";
import { measureScrub, scrubTable } from "./scrub.mjs";

const flag = (name, standard) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? standard : process.argv[at + 1];
};
const rounds = Number(flag("rounds", 3));
const only = flag("only", "copies,idle,listing,scrub,large").split(",");
/** Three copies, a fourth of what a lost node had, and what was written before. */
const DISK_FACTOR = 5;

/** As much as was asked for, or as fits the disk. */
function largeBytes(folder) {
  const wanted = Number(flag("gigabytes", 10)) * 1e9;
  const fits = Math.floor(freeBytes(folder) / DISK_FACTOR / 1e9) * 1e9;
  if (fits < wanted)
    say(`The disk has room for ${fits / 1e9} GB only, so that is what is written.`);
  return Math.min(wanted, fits);
}

const PARTS = {
  copies: {
    measure: (folder) =>
      measureCopies({ folder, rounds, sizeBytes: Number(flag("megabytes", 300)) * 1e6 }),
    table: copiesTable,
  },
  idle: { measure: (folder) => measureIdle({ folder, rounds }), table: idleTable },
  listing: {
    measure: (folder) =>
      measureListing({ folder, rounds, count: Number(flag("entries", 100_000)) }),
    table: listingTable,
  },
  scrub: {
    measure: (folder) =>
      measureScrub({ folder, rounds, sizeBytes: Number(flag("megabytes", 300)) * 1e6 }),
    table: scrubTable,
  },
  large: {
    measure: (folder) => measureLarge({ folder, sizeBytes: largeBytes(folder) }),
    table: largeTable,
  },
};

const unknown = only.filter((name) => !(name in PARTS));
if (unknown.length > 0) {
  say(`--only is some of ${Object.keys(PARTS).join(", ")}, not ${unknown.join(", ")}`);
  process.exit(2);
}

const path = join(root, "bench/results/files.json");
function earlier() {
  try {
    const { parts } = JSON.parse(readFileSync(path, "utf8"));
    return parts ?? {};
  } catch {
    return {};
  }
}

const parts = earlier();
const tables = [];
let code = 0;
for (const name of only) {
  const folder = mkdtempSync(join(tmpdir(), "hearthmesh-bench-files-"));
  const loadBefore = loadavg()[0];
  try {
    const figures = await PARTS[name].measure(folder);
    const machine = { at: new Date().toISOString(), node: process.version, cores: cpus().length };
    parts[name] = { ...machine, loadBefore, loadAfter: loadavg()[0], ...figures };
    tables.push(PARTS[name].table(figures));
    rmSync(folder, { recursive: true, force: true });
  } catch (error) {
    say(`The part ${name} failed: ${error.stack}\nLogs are in ${folder}`);
    code = 1;
  }
}
mkdirSync(join(root, "bench/results"), { recursive: true });
writeFileSync(path, `${JSON.stringify({ parts }, undefined, 2)}\n`);
say(`\n${tables.join("\n\n")}\n\nRaw figures: bench/results/files.json`);
process.exit(code);

/**
 * `npm run bench -- files [--rounds 3] [--megabytes 300]`: files on one coordinator and three
 * storage nodes, all real processes on loopback, beside `dd` and bare TLS sockets in the same run.
 * Rounds take turns, the table shows medians, and every figure goes to `bench/results/files.json`.
 */
import {
  createReadStream,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connectFiles, IdentityHome, loadCollective } from "@hearthmesh/client";
import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { root, say } from "../../scripts/lib.mjs";
import { MeshProcesses, meshOk } from "../../scripts/mesh-processes.mjs";
import { makeRealFile } from "../../scripts/real-data.mjs";
import { bareCertificate, bareRead, bareWrite, ddWrite } from "./bare-copy.mjs";

const flag = (name, standard) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? standard : Number(process.argv[at + 1]);
};
const rounds = flag("rounds", 3);
const sizeBytes = flag("megabytes", 300) * 1e6;
const SMALL_BYTES = 4096;
const SMALL_SECONDS = 5;
const WRITERS = 32;
/** Long enough for start-up garbage to be collected and connections to settle. */
const IDLE_MS = 10_000;

const folder = mkdtempSync(join(tmpdir(), "hearthmesh-bench-files-"));
const figures = { writes: [], bareWrites: [], dd: [], reads: [], bareReads: [], small: [] };

function residentMegabytes(pid) {
  try {
    const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kib) / 1024;
  } catch {
    return undefined;
  }
}

async function connect(member) {
  const home = join(folder, "client");
  mkdirSync(home);
  const generate = ["invite", "generate", "--grant", "/bench:all", "--json"];
  const { code } = JSON.parse(await meshOk(member.coordinator.home, generate));
  await meshOk(home, ["identity", "init", "--global-id", "bench@demo.example"]);
  await meshOk(home, ["invite", "redeem", "-"], { input: code });
  await meshOk(member.coordinator.home, ["mkdir", "/bench"]);
  const clock = systemClock();
  const random = systemRandom();
  const collective = await loadCollective({
    home: new IdentityHome(home),
    clock,
    log: silentLogger,
  });
  return connectFiles({ collective, clock, random, log: silentLogger });
}

async function bytesPerSecond(work) {
  const startedMs = performance.now();
  await work();
  return sizeBytes / ((performance.now() - startedMs) / 1000);
}

async function readAll(files, path) {
  const { stream } = await files.read(path);
  let bytes = 0;
  for await (const piece of stream) bytes += piece.length;
  if (bytes !== sizeBytes) throw new Error(`${path} came back with ${bytes} bytes`);
}

async function* once(content) {
  yield content;
}

/** Files per second of 32 writers that each wait for the acknowledgement. */
async function smallFiles(files, round) {
  const endMs = performance.now() + SMALL_SECONDS * 1000;
  const latencies = [];
  let count = 0;
  await files.makeDirectory(`/bench/small-${round}`);
  const writer = async () => {
    while (performance.now() < endMs) {
      const content = Buffer.alloc(SMALL_BYTES, `${round} ${count} ${Math.random()} `);
      const startedMs = performance.now();
      await files.write(`/bench/small-${round}/${count++}`, once(content));
      latencies.push(performance.now() - startedMs);
    }
  };
  const startedMs = performance.now();
  await Promise.all(Array.from({ length: WRITERS }, writer));
  latencies.sort((a, b) => a - b);
  return {
    perSecond: latencies.length / ((performance.now() - startedMs) / 1000),
    p99Ms: latencies[Math.floor(latencies.length * 0.99)],
  };
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const mb = (bytes) => `${(bytes / 1e6).toFixed(0)} MB/s`;

function table(idle) {
  const write = median(figures.writes);
  const bareWrite = median(figures.bareWrites);
  const read = median(figures.reads);
  const bare = median(figures.bareReads);
  const dd = figures.dd.some((one) => one === undefined) ? undefined : median(figures.dd);
  const small = median(figures.small.map((one) => one.perSecond));
  const p99 = median(figures.small.map((one) => one.p99Ms));
  const ratio = (ours, peer) => `${(ours / peer).toFixed(2)} of it`;
  const met = (yes) => (yes ? "met" : "not met");
  const row = (...cells) => `| ${cells.join(" | ")} |`;
  const size = `${sizeBytes / 1e6} MB`;
  const atMost = (value, limit) => met((value ?? Number.POSITIVE_INFINITY) <= limit);
  const memory = (value) => `${value?.toFixed(0) ?? "?"} MB`;
  const bareCopy = `bare copy over 3 TLS sockets, hashed and synced: ${mb(bareWrite)}`;
  const bareSocket = `one bare TLS socket from disk: ${mb(bare)}`;
  return [
    row(`what (median of ${rounds} rounds, ${cpus().length} cores)`, "ours", "peer", "mark", ""),
    "|---|---|---|---|---|",
    row(
      `write ${size}, 3 copies, TLS, synced`,
      mb(write),
      `${bareCopy}; ${ratio(write, bareWrite)}`,
      ">= 0.8",
      met(write >= 0.8 * bareWrite),
    ),
    row(
      "the same beside `dd conv=fsync`, 3 times",
      mb(write),
      dd === undefined ? "no dd here" : `${mb(dd)}; ${ratio(write, dd)}`,
      "",
      "",
    ),
    row(
      `read ${size}, every chunk checked`,
      mb(read),
      `${bareSocket}; ${ratio(read, bare)}`,
      ">= 0.8",
      met(read >= 0.8 * bare),
    ),
    row(
      `create 4 KiB files, ${WRITERS} writers, 3 copies`,
      `${small.toFixed(0)}/s, p99 ${p99.toFixed(0)} ms`,
      "",
      ">= 2,000/s",
      met(small >= 2000),
    ),
    row(
      "memory, idle: coordinator",
      memory(idle.coordinator),
      "",
      "<= 110 MB",
      atMost(idle.coordinator, 110),
    ),
    row(
      "memory, idle: storage node (largest of 3)",
      memory(idle.storage),
      "",
      "<= 80 MB",
      atMost(idle.storage, 80),
    ),
  ].join("\n");
}

let member;
let code = 0;
try {
  member = await MeshProcesses.start({ folder });
  say("Measuring memory when idle ...");
  await sleep(IDLE_MS);
  const idle = {
    coordinator: residentMegabytes(member.coordinator.pid),
    storage: Math.max(...member.nodes.map((node) => residentMegabytes(node.pid) ?? Number.NaN)),
  };
  const input = join(folder, "input");
  const certificate = await bareCertificate(join(folder, "bare"));
  const connection = await connect(member);
  const { files } = connection;
  for (let round = 1; round <= rounds; round++) {
    say(`Round ${round} of ${rounds} ...`);
    // Other content each time: what is there already would only be compared, not stored.
    await makeRealFile(input, sizeBytes, round);
    figures.dd.push(ddWrite(input, sizeBytes, join(folder, "dd")));
    figures.bareWrites.push(await bareWrite(input, sizeBytes, join(folder, "copies"), certificate));
    const path = `/bench/file-${round}`;
    const source = () => createReadStream(input, { highWaterMark: 1 << 20 });
    figures.writes.push(await bytesPerSecond(() => files.write(path, source())));
    figures.bareReads.push(await bareRead(input, sizeBytes, certificate));
    figures.reads.push(await bytesPerSecond(() => readAll(files, path)));
    figures.small.push(await smallFiles(files, round));
    await files.remove(path);
  }
  await connection.close();
  const text = table(idle);
  const result = {
    at: new Date().toISOString(),
    node: process.version,
    cores: cpus().length,
    sizeBytes,
    rounds,
    idle,
    figures,
  };
  mkdirSync(join(root, "bench/results"), { recursive: true });
  writeFileSync(
    join(root, "bench/results/files.json"),
    `${JSON.stringify(result, undefined, 2)}\n`,
  );
  say(`\n${text}\n\nRaw figures: bench/results/files.json`);
} catch (error) {
  say(`The benchmark failed: ${error.stack}\nLogs are in ${folder}`);
  code = 1;
}
await member?.stop();
if (code === 0) rmSync(folder, { recursive: true, force: true });
process.exit(code);

/**
 * A large file on five storage nodes: memory of every process while it is written, rows of its
 * manifest; then one node is lost, and repair runs beside a client that reads all the time.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { root, say } from "../../scripts/lib.mjs";
import { environment, MeshProcesses } from "../../scripts/mesh-processes.mjs";
import { makeRealFile } from "../../scripts/real-data.mjs";
import { connectClient } from "./client.mjs";
import { forgetPeaks, median, megabytes, met, peakMegabytes, row } from "./figures.mjs";
import { davRead, davWrite, startPeers } from "./webdav-peers.mjs";

const MIB = 1 << 20;
const NODES = 5;
const READ_SECONDS = 15;
const MEMORY_MARK = 200;
/** A peer's rate does not depend on the size: it gets less, to save time and disk. */
const PEER_BYTES_MAX = 1e9;
const REPAIR_SECONDS_MAX = 300;
/** Copies of `dd` are of this size: larger than caches of disks, smaller than the memory. */
const DD_BYTES_MAX = 2e9;

/** `mesh write` in a process of its own, fed with bytes that differ in every MiB. */
async function writeLarge(home, path, sizeBytes, watch) {
  const child = spawn(process.execPath, [join(root, "packages/cli/bin/mesh.js"), "write", path], {
    env: environment(home),
    stdio: ["pipe", "ignore", "inherit"],
  });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, peakMegabytes(child.pid) ?? 0);
    watch();
  }, 500);
  const block = Buffer.alloc(MIB);
  for (let at = 0; at < MIB; at += 4) block.writeUInt32LE((at * 2654435761) >>> 0, at);
  const startedMs = performance.now();
  for (let sent = 0, index = 0; sent < sizeBytes; sent += MIB, index++) {
    const piece = Buffer.from(block.subarray(0, Math.min(MIB, sizeBytes - sent)));
    piece.writeUInt32LE(index, 0);
    if (!child.stdin.write(piece)) {
      await new Promise((resolve) => child.stdin.once("drain", resolve));
    }
  }
  child.stdin.end();
  const code = await ended;
  clearInterval(timer);
  if (code !== 0) throw new Error(`mesh write ended with ${code}`);
  return { seconds: (performance.now() - startedMs) / 1000, peak };
}

/** Reads the file from the begin, again and again, until it is told to stop; bytes per second. */
function keepReading(files, path) {
  const stop = new AbortController();
  let bytes = 0;
  const startedMs = performance.now();
  const done = (async () => {
    while (!stop.signal.aborted) {
      const { stream } = await files.read(path, { signal: stop.signal });
      for await (const piece of stream) bytes += piece.length;
    }
  })().catch((error) => {
    if (!stop.signal.aborted) throw error;
  });
  return async () => {
    const rate = bytes / ((performance.now() - startedMs) / 1000);
    stop.abort(new Error("measured"));
    await done;
    return rate;
  };
}

/** What one copy of a file to the same disk does per second, with its sync. */
async function diskCopyRate(folder, sizeBytes) {
  const from = join(folder, "dd-from");
  const to = join(folder, "dd-to");
  await makeRealFile(from, sizeBytes, 99);
  const rates = [];
  for (let round = 0; round < 3; round++) {
    const startedMs = performance.now();
    const args = [`if=${from}`, `of=${to}`, "bs=1M", "conv=fsync"];
    if (spawnSync("dd", args, { stdio: "ignore" }).status !== 0) return undefined;
    rates.push(sizeBytes / ((performance.now() - startedMs) / 1000));
    rmSync(to);
  }
  rmSync(from);
  return median(rates);
}

async function repairState(member) {
  const answer = await fetch(`${member.coordinator.httpUrl}/api/workers`);
  const { workers } = await answer.json();
  const status = await member.status();
  const rebalance = workers.filter(({ name }) => name === "repair" || name === "rebalance");
  const bytes = rebalance.reduce((sum, worker) => sum + (worker.bytes ?? 0), 0);
  const running = rebalance.some(({ state }) => state === "running");
  return { bytes, running, used: status.totals.usedBytes };
}

/** Kills a node, takes it out, and waits until its copies are elsewhere. */
async function loseNode(member, files, path) {
  const victim = member.nodes.at(-1);
  const before = await member.status();
  const lostBytes = before.local_nodes.find(({ name }) => name === victim.name).used_capacity;
  const quiet = keepReading(files, path);
  await sleep(READ_SECONDS * 1000);
  const quietRate = await quiet();
  await victim.kill("SIGKILL");
  const others = before.totals.usedBytes - lostBytes;
  const url = `${member.coordinator.httpUrl}/api/nodes/${victim.name}?force=true`;
  const startedMs = performance.now();
  const removed = await fetch(url, { method: "DELETE" });
  if (!removed.ok) throw new Error(`the node was not removed: ${await removed.text()}`);
  const busy = keepReading(files, path);
  let copied = 0;
  for (;;) {
    await sleep(500);
    const { used } = await repairState(member);
    copied = used - others;
    if (copied >= lostBytes * 0.995) break;
    if (performance.now() - startedMs > REPAIR_SECONDS_MAX * 1000) break;
  }
  const seconds = (performance.now() - startedMs) / 1000;
  const busyRate = await busy();
  return { lostBytes, copied, seconds, rate: copied / seconds, quietRate, busyRate };
}

async function measurePeers(folder, sizeBytes) {
  const { peers, missing } = await startPeers(folder);
  const bytes = Math.min(sizeBytes, PEER_BYTES_MAX);
  const input = join(folder, "peer-input");
  const figures = {};
  try {
    await makeRealFile(input, bytes, 7);
    for (const peer of peers) {
      forgetPeaks([peer.pid]);
      const write = await davWrite(peer, "large", input, bytes);
      const read = await davRead(peer, "large", bytes);
      figures[peer.name] = { write, read, peak: peakMegabytes(peer.pid), bytes };
      rmSync(join(peer.files, "large"));
    }
  } finally {
    if (existsSync(input)) rmSync(input);
    await Promise.all(peers.map((peer) => peer.stop()));
  }
  return { figures, missing };
}

export async function measureLarge({ folder, sizeBytes }) {
  const extra = ["--capacity", `${Math.ceil((sizeBytes * 3) / 1e9) + 4}GB`];
  const member = await MeshProcesses.start({ folder, storageNodes: NODES, extra });
  try {
    const client = await connectClient(member, folder);
    const path = "/bench/large";
    const processes = member.processes;
    forgetPeaks(processes.map(({ pid }) => pid));
    say(`Writing ${(sizeBytes / 1e9).toFixed(1)} GB ...`);
    const written = await writeLarge(client.home, path, sizeBytes, () => {});
    const peaks = Object.fromEntries(processes.map(({ name, pid }) => [name, peakMegabytes(pid)]));
    say("Losing a node while a client reads ...");
    const repair = await loseNode(member, client.files, path);
    await client.close();
    await member.stop();
    for (const { home } of processes)
      rmSync(join(home, "chunks"), { recursive: true, force: true });
    say("Copying with dd, and WebDAV servers ...");
    const disk = await diskCopyRate(folder, Math.min(DD_BYTES_MAX, sizeBytes));
    const peers = await measurePeers(folder, sizeBytes);
    return { sizeBytes, written, peaks, repair, disk, peers };
  } finally {
    await member.stop();
  }
}

export function largeTable({ sizeBytes, written, peaks, repair, disk, peers }) {
  const size = `${(sizeBytes / 1e9).toFixed(1)} GB`;
  const memory = (value) => `${value?.toFixed(0) ?? "?"} MB`;
  const peak = (value) => met((value ?? Number.POSITIVE_INFINITY) <= MEMORY_MARK);
  const { coordinator: _, ...rest } = peaks;
  const storage = Math.max(...Object.values(rest).map((value) => value ?? Number.NaN));
  const mark = `<= ${MEMORY_MARK} MB`;
  const kept = repair.busyRate / repair.quietRate;
  const ofDisk = disk === undefined ? Number.NaN : repair.rate / disk;
  const seconds = repair.seconds.toFixed(0);
  const lost = `${(repair.lostBytes / 1e9).toFixed(1)} GB`;
  return [
    row(`file of ${size}, 3 copies on ${NODES} nodes`, "ours", "peer", "mark", ""),
    "|---|---|---|---|---|",
    row("write from standard input", megabytes(sizeBytes / written.seconds), "", "", ""),
    row("memory at most: mesh write", memory(written.peak), "", mark, peak(written.peak)),
    row(
      "memory at most: coordinator",
      memory(peaks.coordinator),
      "",
      mark,
      peak(peaks.coordinator),
    ),
    row(`memory at most: largest of ${NODES} nodes`, memory(storage), "", mark, peak(storage)),
    ...Object.entries(peers.figures).map(([name, one]) =>
      row(
        `one plain copy of ${(one.bytes / 1e9).toFixed(1)} GB at ${name}: write, read, memory`,
        "",
        `${megabytes(one.write)}, ${megabytes(one.read)}, ${memory(one.peak)}`,
        "",
        "",
      ),
    ),
    row(
      `one of ${NODES} nodes lost, ${lost} copied in ${seconds} s`,
      megabytes(repair.rate),
      disk === undefined
        ? "no dd here"
        : `dd conv=fsync: ${megabytes(disk)}; ${ofDisk.toFixed(2)} of it`,
      ">= 0.5",
      met(ofDisk >= 0.5),
    ),
    row(
      "a client that reads all the time meanwhile",
      megabytes(repair.busyRate),
      `without repair: ${megabytes(repair.quietRate)}; ${kept.toFixed(2)} of it`,
      ">= 0.7",
      met(kept >= 0.7),
    ),
    ...peers.missing.map((name) => row(`not installed here: ${name}`, "", "", "", "")),
  ].join("\n");
}

/**
 * Writing, reading and small files on one coordinator and three storage nodes, beside `dd`, bare
 * TLS sockets and WebDAV servers. Rounds take turns; the table shows medians.
 */
import { createReadStream } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { say } from "../../scripts/lib.mjs";
import { MeshProcesses } from "../../scripts/mesh-processes.mjs";
import { makeRealFile } from "../../scripts/real-data.mjs";
import { bareCertificate, bareRead, bareWrite, ddWrite } from "./bare-copy.mjs";
import { connectClient } from "./client.mjs";
import { bytesReceived, median, megabytes, met, once, row } from "./figures.mjs";
import { idleMemory, idleRows } from "./idle.mjs";
import { davRead, davWrite, startPeers } from "./webdav-peers.mjs";

const SMALL_BYTES = 4096;
const SMALL_SECONDS = 5;
const WRITERS = 32;

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

async function timed(sizeBytes, work) {
  const startedMs = performance.now();
  await work();
  return sizeBytes / ((performance.now() - startedMs) / 1000);
}

async function readAll(files, path, sizeBytes) {
  const { stream } = await files.read(path);
  const bytes = await bytesReceived(stream);
  if (bytes !== sizeBytes) throw new Error(`${path} came back with ${bytes} bytes`);
}

/** One round: everybody writes and reads the same bytes, one after the other. */
async function measureRound({ folder, files, peers, certificate, sizeBytes, figures }, round) {
  const input = join(folder, "input");
  // Other content each time: what is there already would only be compared, not stored.
  await makeRealFile(input, sizeBytes, round);
  figures.dd.push(ddWrite(input, sizeBytes, join(folder, "dd")));
  figures.bareWrites.push(await bareWrite(input, sizeBytes, join(folder, "copies"), certificate));
  const path = `/bench/file-${round}`;
  const source = () => createReadStream(input, { highWaterMark: 1 << 20 });
  figures.writes.push(await timed(sizeBytes, () => files.write(path, source())));
  figures.bareReads.push(await bareRead(input, sizeBytes, certificate));
  figures.reads.push(await timed(sizeBytes, () => readAll(files, path, sizeBytes)));
  figures.small.push(await smallFiles(files, round));
  await files.remove(path);
  for (const peer of peers) {
    const rates = figures.webdav[peer.name] ?? { writes: [], reads: [] };
    figures.webdav[peer.name] = rates;
    rates.writes.push(await davWrite(peer, "file", input, sizeBytes));
    rates.reads.push(await davRead(peer, "file", sizeBytes));
  }
}

export async function measureCopies({ folder, rounds, sizeBytes }) {
  const figures = { writes: [], bareWrites: [], dd: [], reads: [], bareReads: [], small: [] };
  figures.webdav = {};
  const member = await MeshProcesses.start({ folder });
  const { peers, missing } = await startPeers(folder);
  try {
    const idle = await idleMemory(member);
    const certificate = await bareCertificate(join(folder, "bare"));
    const client = await connectClient(member, folder);
    const { files } = client;
    for (let round = 1; round <= rounds; round++) {
      say(`Round ${round} of ${rounds} ...`);
      await measureRound({ folder, files, peers, certificate, sizeBytes, figures }, round);
    }
    await client.close();
    return { sizeBytes, rounds, idle, missing, figures };
  } finally {
    await Promise.all(peers.map((peer) => peer.stop()));
    await member.stop();
  }
}

export function copiesTable({ sizeBytes, rounds, idle, missing, figures }) {
  const write = median(figures.writes);
  const bareWrite = median(figures.bareWrites);
  const read = median(figures.reads);
  const bare = median(figures.bareReads);
  const dd = figures.dd.some((one) => one === undefined) ? undefined : median(figures.dd);
  const small = median(figures.small.map((one) => one.perSecond));
  const p99 = median(figures.small.map((one) => one.p99Ms));
  const size = `${sizeBytes / 1e6} MB`;
  const peer = (name, ours, rate) =>
    `${name}: ${megabytes(rate)}; ${(ours / rate).toFixed(2)} of it`;
  const bareCopy = peer("bare copy over 3 TLS sockets, hashed and synced", write, bareWrite);
  return [
    row(`what (median of ${rounds} rounds, ${cpus().length} cores)`, "ours", "peer", "mark", ""),
    "|---|---|---|---|---|",
    row(
      `write ${size}, 3 copies, TLS, synced`,
      megabytes(write),
      bareCopy,
      ">= 0.8",
      met(write >= 0.8 * bareWrite),
    ),
    row(
      "the same beside `dd conv=fsync`, 3 times",
      megabytes(write),
      dd === undefined ? "no dd here" : peer("dd", write, dd),
      "",
      "",
    ),
    row(
      `read ${size}, every chunk checked`,
      megabytes(read),
      peer("one bare TLS socket from disk", read, bare),
      ">= 0.8",
      met(read >= 0.8 * bare),
    ),
    ...Object.entries(figures.webdav).map(([name, { writes, reads }]) =>
      row(
        `write and read of one plain copy at ${name}, not synced`,
        "",
        `${megabytes(median(writes))}, ${megabytes(median(reads))}`,
        "",
        "",
      ),
    ),
    row(
      `create 4 KiB files, ${WRITERS} writers, 3 copies`,
      `${small.toFixed(0)}/s, p99 ${p99.toFixed(0)} ms`,
      "",
      ">= 2,000/s",
      met(small >= 2000),
    ),
    ...idleRows("memory, idle", idle),
    ...missing.map((name) => row(`not installed here: ${name}`, "", "", "", "")),
  ].join("\n");
}

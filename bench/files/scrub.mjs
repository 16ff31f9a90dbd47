/**
 * How fast a storage node verifies what it has when it is asked for full speed: the pack store and
 * the scrubber as they ship, in this process, on the real disk, beside a bare read of the same pack
 * files. The files were written just now, so both read from the memory of the system: the figure is
 * that of the processor, and a disk that gives less bounds it.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { chunkIdOf, fileDisk, openPackStore, Scrubber } from "@hearthmesh/collective";
import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";

const CHUNK_BYTES = 1 << 20;

/** Megabytes a second of each round, and the processor time of a scrub in cores. */
export async function measureScrub({ folder, rounds, sizeBytes }) {
  const directory = join(folder, "chunks");
  mkdirSync(directory);
  const clock = systemClock();
  const random = systemRandom();
  const log = silentLogger;
  const disk = fileDisk(directory);
  const capacityBytes = sizeBytes * 4;
  const chunkStore = await openPackStore({ disk, clock, random, log, capacityBytes });
  await fill(chunkStore, sizeBytes);
  const busy = () => false;
  const scrubber = new Scrubber({ chunkStore, disk, clock, random, log, busy });
  await scrubber.start();
  const figures = { sizeBytes, scrub: [], cores: [], bareRead: [] };
  for (let round = 0; round < rounds; round++) {
    const { rate, cores } = await timed(sizeBytes, () => fullPass(scrubber));
    figures.scrub.push(rate);
    figures.cores.push(cores);
    figures.bareRead.push((await timed(sizeBytes, () => readPacks(directory))).rate);
  }
  await scrubber.stop();
  await chunkStore.close();
  return figures;
}

export function scrubTable({ sizeBytes, scrub, cores, bareRead }) {
  const line = (name, values, digits) =>
    `| ${name} | ${values.map((value) => value.toFixed(digits)).join(" | ")} |`;
  const rounds = scrub.map((_, at) => `round ${at + 1}`);
  return [
    `Scrub of ${Math.round(sizeBytes / 1e6)} MB in chunks of 1 MiB, from memory`,
    "",
    `| | ${rounds.join(" | ")} |`,
    `|---|${rounds.map(() => "---:").join("|")}|`,
    line("verified, MB/s", scrub, 0),
    line("cores used", cores, 2),
    line(
      "MB/s for each core used",
      scrub.map((rate, at) => rate / cores[at]),
      0,
    ),
    line("bare read of the pack files, MB/s", bareRead, 0),
  ].join("\n");
}

async function fill(chunkStore, sizeBytes) {
  const fileId = "0".repeat(32);
  const owner = "spiffe://home.alice/person/alice@home.alice";
  for (let index = 0; index < Math.floor(sizeBytes / CHUNK_BYTES); index++) {
    const bytes = randomBytes(CHUNK_BYTES);
    const id = chunkIdOf([bytes]);
    const header = { v: 1, id, fileId, index, owner, atMs: 0, sizeBytes: CHUNK_BYTES };
    await chunkStore.put(header, [bytes]);
  }
}

async function fullPass(scrubber) {
  const { passes } = scrubber.serve({ run: true });
  while (scrubber.serve({}).passes === passes) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const { damaged } = scrubber.serve({}).lastFull;
  if (damaged > 0) throw new Error(`${damaged} chunks were found damaged`);
}

async function readPacks(directory) {
  const packs = join(directory, "packs");
  const buffer = Buffer.alloc(CHUNK_BYTES);
  for (const name of readdirSync(packs).filter((one) => one.endsWith(".pack"))) {
    const file = await open(join(packs, name));
    try {
      while ((await file.read(buffer, 0, buffer.length)).bytesRead > 0);
    } finally {
      await file.close();
    }
  }
}

async function timed(sizeBytes, work) {
  const before = process.cpuUsage();
  const startMs = performance.now();
  await work();
  const tookMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(before);
  return { rate: sizeBytes / 1e3 / tookMs, cores: (user + system) / 1e3 / tookMs };
}

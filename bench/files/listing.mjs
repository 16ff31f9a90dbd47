/**
 * A directory of many small files, listed page by page with the client of the CLI over a link,
 * beside one PROPFIND of the same names at WebDAV servers.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { say } from "../../scripts/lib.mjs";
import { MeshProcesses } from "../../scripts/mesh-processes.mjs";
import { connectClient } from "./client.mjs";
import { median, met, once, row } from "./figures.mjs";
import { davList, startPeers } from "./webdav-peers.mjs";

const WRITERS = 64;
/** They live in their entries: what is measured is the directory. */
const FILE_BYTES = 100;

async function makeFiles(files, path, count) {
  await files.makeDirectory(path);
  let next = 0;
  const writer = async () => {
    while (next < count) {
      const name = nameOf(next++);
      await files.write(`${path}/${name}`, once(Buffer.alloc(FILE_BYTES, name)));
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
}

const nameOf = (index) => `holiday-${String(index).padStart(6, "0")}.jpg`;

async function listOnce(files, path, count) {
  const startedMs = performance.now();
  const page = await files.listPage(path);
  const firstMs = performance.now() - startedMs;
  const againMs = performance.now();
  let entries = 0;
  for await (const _ of files.list(path)) entries++;
  if (entries !== count) throw new Error(`${entries} of ${count} entries were listed`);
  const allMs = performance.now() - againMs;
  return { firstMs, firstEntries: page.entries.length, allMs, entries };
}

async function listPeers(folder, count, rounds) {
  const { peers, missing } = await startPeers(folder, (files) => {
    mkdirSync(join(files, "many"));
    for (let at = 0; at < count; at++) {
      writeFileSync(join(files, "many", nameOf(at)), Buffer.alloc(FILE_BYTES, at));
    }
  });
  const figures = {};
  try {
    for (const peer of peers) {
      figures[peer.name] = [];
      for (let round = 0; round < rounds; round++) {
        figures[peer.name].push(await davList(peer, "many/"));
      }
    }
  } finally {
    await Promise.all(peers.map((peer) => peer.stop()));
  }
  return { figures, missing };
}

export async function measureListing({ folder, count, rounds }) {
  const member = await MeshProcesses.start({ folder });
  try {
    const client = await connectClient(member, folder);
    const path = "/bench/many";
    say(`Making ${count} files ...`);
    const startedMs = performance.now();
    await makeFiles(client.files, path, count);
    const madePerSecond = count / ((performance.now() - startedMs) / 1000);
    say("Listing ...");
    const ours = [];
    for (let round = 0; round < rounds; round++) {
      ours.push(await listOnce(client.files, path, count));
    }
    await client.close();
    const peers = await listPeers(folder, count, rounds);
    return { count, rounds, madePerSecond, ours, peers };
  } finally {
    await member.stop();
  }
}

export function listingTable({ count, rounds, madePerSecond, ours, peers }) {
  const firstMs = median(ours.map((one) => one.firstMs));
  const perSecond = median(ours.map((one) => (one.entries / one.allMs) * 1000));
  const many = count.toLocaleString("en");
  const peerRows = Object.entries(peers.figures).map(([name, lists]) => {
    const first = median(lists.map((one) => one.firstMs));
    const rate = median(lists.map((one) => (one.entries / one.allMs) * 1000));
    return row(`the same: PROPFIND at ${name}`, "", `${perSecondText(rate)}, ${ms(first)}`, "", "");
  });
  return [
    row(`directory of ${many} files (median of ${rounds})`, "ours", "peer", "mark", ""),
    "|---|---|---|---|---|",
    row(
      `first page, ${ours[0]?.firstEntries} entries`,
      ms(firstMs),
      "",
      "<= 50 ms",
      met(firstMs <= 50),
    ),
    row("all of it", perSecondText(perSecond), "", ">= 50,000/s", met(perSecond >= 50_000)),
    ...peerRows,
    row(`made, ${WRITERS} writers, each acknowledged`, `${madePerSecond.toFixed(0)}/s`, "", "", ""),
    ...peers.missing.map((name) => row(`not installed here: ${name}`, "", "", "", "")),
  ].join("\n");
}

const ms = (value) => `${value.toFixed(1)} ms`;
const perSecondText = (value) => `${Math.round(value).toLocaleString("en")} entries/s`;

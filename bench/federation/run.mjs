/**
 * `npm run bench -- federation [--rounds 3] [--megabytes 300]`: two members on loopback, all real
 * processes: Bob with a coordinator and three storage nodes, Alice with a coordinator that stores
 * too. A person of Alice's writes and reads in Bob's home, beside a person of Bob's own and beside
 * WebDAV servers on the same disk (`rclone serve webdav`, nginx; no TLS, one copy, no checks), when
 * they are installed. Figures go to `bench/results/federation.json`.
 */
import { createReadStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { root, say } from "../../scripts/lib.mjs";
import { makeRealFile } from "../../scripts/real-data.mjs";
import { davRead, davWrite, startPeers } from "../files/webdav-peers.mjs";
import { homes } from "./homes.mjs";
import { rows } from "./table.mjs";

const flag = (name, standard) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? standard : Number(process.argv[at + 1]);
};
const rounds = flag("rounds", 3);
const sizeBytes = flag("megabytes", 300) * 1e6;
const SMALL_BYTES = 4096;
const SMALL_SECONDS = 4;
const WRITERS = 32;

const folder = mkdtempSync(join(tmpdir(), "hearthmesh-bench-federation-"));
const figures = { across: [], within: [], through: [], small: [], smallWithin: [], dav: {} };

async function bytesPerSecond(work) {
  const startedMs = performance.now();
  await work();
  return sizeBytes / ((performance.now() - startedMs) / 1000);
}

async function readAll(stream) {
  let bytes = 0;
  for await (const piece of stream) bytes += piece.length;
  if (bytes !== sizeBytes) throw new Error(`it came back with ${bytes} bytes`);
}

async function writeAndRead(files, path, input) {
  const source = createReadStream(input, { highWaterMark: 1 << 20 });
  const write = await bytesPerSecond(() => files.write(path, source));
  const read = await bytesPerSecond(async () => readAll((await files.read(path)).stream));
  await files.remove(path, { permanent: true });
  return { write, read };
}

async function* once(content) {
  yield content;
}

/** Small files per second of 32 writers that each wait for the acknowledgement. */
async function smallFiles(files, directory) {
  await files.makeDirectory(directory);
  const startedMs = performance.now();
  const endMs = startedMs + SMALL_SECONDS * 1000;
  let count = 0;
  const writer = async () => {
    while (performance.now() < endMs) {
      const content = Buffer.alloc(SMALL_BYTES, `${directory} ${count} ${Math.random()} `);
      await files.write(`${directory}/${count++}`, once(content));
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
  return count / ((performance.now() - startedMs) / 1000);
}

async function round(number, { ann, ben, gateway }, webdav, input) {
  say(`Round ${number} of ${rounds} ...`);
  let content = 0;
  // Other content each time: what is there already would only be compared, not stored.
  const renew = () => makeRealFile(input, sizeBytes, number * 10 + content++);
  await renew();
  figures.within.push(await writeAndRead(ben, `/garage/own-${number}`, input));
  await renew();
  figures.across.push(await writeAndRead(ann, `/@bob/garage/across-${number}`, input));
  await renew();
  figures.through.push(await writeAndRead(gateway, `/@bob/garage/through-${number}`, input));
  figures.smallWithin.push(await smallFiles(ben, `/garage/small-own-${number}`));
  figures.small.push(await smallFiles(ann, `/@bob/garage/small-across-${number}`));
  for (const server of webdav.peers) {
    await renew();
    const name = `file-${number}`;
    const write = await davWrite(server, name, input, sizeBytes);
    const read = await davRead(server, name, sizeBytes);
    figures.dav[server.name] ??= [];
    figures.dav[server.name].push({ write, read });
    rmSync(join(server.files, name));
  }
}

let federation;
let webdav = { peers: [], missing: [] };
let code = 0;
try {
  federation = await homes(folder);
  webdav = await startPeers(folder);
  const input = join(folder, "input");
  for (let number = 1; number <= rounds; number++) {
    await round(number, federation, webdav, input);
  }
  const result = {
    at: new Date().toISOString(),
    node: process.version,
    sizeBytes,
    rounds,
    figures,
  };
  mkdirSync(join(root, "bench/results"), { recursive: true });
  const path = join(root, "bench/results/federation.json");
  writeFileSync(path, `${JSON.stringify(result, undefined, 2)}\n`);
  say(`\n${rows(figures, { rounds, sizeBytes, cores: cpus().length, webdav })}`);
  say("\nRaw figures: bench/results/federation.json");
} catch (error) {
  say(`The benchmark failed: ${error.stack}\nLogs are in ${folder}`);
  code = 1;
}
await Promise.all(webdav.peers.map((server) => server.stop()));
await federation?.stop();
if (code === 0) rmSync(folder, { recursive: true, force: true });
process.exit(code);

/** The peers that our files are measured beside: `dd`, and bare TLS sockets to three processes. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { connect } from "node:tls";
import { fileURLToPath } from "node:url";
import { systemClock, systemRandom } from "@hearthmesh/core";
import {
  createMemberCa,
  generateKeyPair,
  issueCertificate,
  publicKeyDerOf,
} from "@hearthmesh/identity";

const here = dirname(fileURLToPath(import.meta.url));
const MIB = 1 << 20;

/** A key and a certificate for the bare sockets, of the same kind as ours. */
export async function bareCertificate(folder) {
  mkdirSync(folder, { recursive: true });
  const tools = { clock: systemClock(), random: systemRandom() };
  const ca = await createMemberCa({ memberId: "bench", trustDomain: "home.bench", ...tools });
  const keys = generateKeyPair();
  const { certificatePem } = await issueCertificate({
    ca,
    publicKeyDer: publicKeyDerOf(keys.publicKeyPem),
    kind: "node",
    trustDomain: "home.bench",
    name: "bare",
    validityMs: 3_600_000,
    ipAddresses: ["127.0.0.1"],
    ...tools,
  });
  const paths = { key: join(folder, "bare.key"), cert: join(folder, "bare.crt") };
  writeFileSync(paths.key, keys.privateKeyPem, { mode: 0o600 });
  writeFileSync(paths.cert, certificatePem);
  return { ...paths, ca: ca.certificatePem };
}

async function helper(script, args) {
  const child = spawn(process.execPath, [join(here, script), ...args], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  const port = await new Promise((resolve, reject) => {
    child.stdout.once("data", (text) => resolve(Number(text.toString())));
    child.once("exit", () => reject(new Error(`${script} ended early`)));
  });
  return { port, stop: () => child.disconnect() };
}

function open1(port, ca) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, ca, minVersion: "TLSv1.3" }, () =>
      resolve(socket),
    );
    socket.once("error", reject);
  });
}

/** Bytes per second of a copy of `path` to three processes that hash and sync. */
export async function bareWrite(path, sizeBytes, folder, certificate) {
  mkdirSync(folder, { recursive: true });
  const sinks = await Promise.all(
    [1, 2, 3].map(() => helper("bare-sink.mjs", [folder, certificate.key, certificate.cert])),
  );
  const sockets = await Promise.all(sinks.map((sink) => open1(sink.port, certificate.ca)));
  const startedMs = performance.now();
  const done = sockets.map((socket) => new Promise((resolve) => socket.once("data", resolve)));
  const file = await open(path, "r");
  for (let position = 0; position < sizeBytes; position += MIB) {
    const piece = Buffer.allocUnsafe(Math.min(MIB, sizeBytes - position));
    await file.read(piece, 0, piece.length, position);
    const slow = sockets.filter((socket) => !socket.write(piece));
    await Promise.all(
      slow.map((socket) => new Promise((resolve) => socket.once("drain", resolve))),
    );
  }
  await file.close();
  for (const socket of sockets) socket.end();
  await Promise.all(done);
  const seconds = (performance.now() - startedMs) / 1000;
  for (const sink of sinks) sink.stop();
  rmSync(folder, { recursive: true, force: true });
  return sizeBytes / seconds;
}

/** Bytes per second of one bare TLS socket from disk. */
export async function bareRead(path, sizeBytes, certificate) {
  const source = await helper("bare-source.mjs", [path, certificate.key, certificate.cert]);
  const startedMs = performance.now();
  const socket = await open1(source.port, certificate.ca);
  let left = sizeBytes;
  for await (const bytes of socket) left -= bytes.length;
  const seconds = (performance.now() - startedMs) / 1000;
  source.stop();
  if (left !== 0) throw new Error("the bare read was cut short");
  return sizeBytes / seconds;
}

/** Bytes per second of `dd conv=fsync`, three copies one after the other; undefined without dd. */
export function ddWrite(path, sizeBytes, folder) {
  mkdirSync(folder, { recursive: true });
  const startedMs = performance.now();
  for (const name of ["1", "2", "3"]) {
    const target = join(folder, `dd-${name}`);
    const { status } = spawnSync("dd", [`if=${path}`, `of=${target}`, "bs=1M", "conv=fsync"], {
      stdio: "ignore",
    });
    if (status !== 0) return undefined;
  }
  const seconds = (performance.now() - startedMs) / 1000;
  rmSync(folder, { recursive: true, force: true });
  return sizeBytes / seconds;
}

/**
 * The WebDAV servers that people use for files at home, as peers: `rclone serve webdav`, and nginx
 * with its DAV modules, each over one plain directory on the same disk. No TLS, one copy, no
 * checksum, no fsync: what they save is part of the comparison, and the table says so.
 */
import { spawn, spawnSync } from "node:child_process";
import { createReadStream, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";

const DAV_EXT = "modules/ngx_http_dav_ext_module.so";
/** Where Debian and others keep nginx's modules. */
const MODULE_FOLDERS = ["/usr/lib/nginx", "/usr/lib64/nginx", "/usr/local/nginx"];

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

const isInstalled = (program, ...args) =>
  spawnSync(program, args, { stdio: "ignore" }).error === undefined;

async function started(name, child, url, files) {
  child.once("error", () => {});
  for (let attempt = 0; attempt < 100; attempt++) {
    if (child.exitCode !== null) break;
    const isUp = await fetch(url).then(
      (answer) => answer.arrayBuffer().then(() => true),
      () => false,
    );
    if (isUp) return { name, url, files, pid: child.pid, stop: () => stopped(child) };
    await sleep(50);
  }
  child.kill("SIGKILL");
  throw new Error(`${name} did not start`);
}

async function stopped(child) {
  if (child.exitCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await ended;
}

async function startRclone(folder, prepare) {
  const files = join(folder, "rclone-files");
  mkdirSync(files, { recursive: true });
  prepare(files);
  const address = `127.0.0.1:${await freePort()}`;
  const config = ["--config", join(folder, "rclone.conf")];
  const child = spawn("rclone", ["serve", "webdav", files, "--addr", address, ...config], {
    stdio: "ignore",
  });
  return started("rclone serve webdav", child, `http://${address}/`, files);
}

async function startNginx(folder, prepare) {
  const home = join(folder, "nginx");
  const files = join(home, "files");
  for (const path of [files, join(home, "logs"), join(home, "temp")]) {
    mkdirSync(path, { recursive: true });
  }
  prepare(files);
  const port = await freePort();
  const module = MODULE_FOLDERS.map((one) => join(one, DAV_EXT)).find(existsSync);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const config = [
    `load_module ${module};`,
    // Started by root, its workers would be somebody who may not write here.
    ...(process.getuid?.() === 0 ? ["user root;"] : []),
    "daemon off; worker_processes 2;",
    `pid ${home}/pid; error_log ${home}/logs/error.log;`,
    "events { worker_connections 256; }",
    "http { access_log off; client_max_body_size 0; sendfile on;",
    ...temporary.map((name) => `${name}_temp_path ${home}/temp/${name};`),
    `server { listen 127.0.0.1:${port}; root ${files};`,
    "location / { dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND OPTIONS;",
    "create_full_put_path on; autoindex on; } } }",
  ];
  writeFileSync(join(home, "nginx.conf"), `${config.join("\n")}\n`);
  const child = spawn("nginx", ["-p", home, "-c", join(home, "nginx.conf")], { stdio: "ignore" });
  return started("nginx with WebDAV", child, `http://127.0.0.1:${port}/`, files);
}

/**
 * Those that are installed, and by name those that are not. `prepare` fills their directory before
 * they look at it: rclone keeps what it has seen.
 */
export async function startPeers(folder, prepare = () => {}) {
  const peers = [];
  const missing = [];
  if (isInstalled("rclone", "version")) peers.push(await startRclone(folder, prepare));
  else missing.push("rclone");
  const hasModule = MODULE_FOLDERS.some((one) => existsSync(join(one, DAV_EXT)));
  if (isInstalled("nginx", "-v") && hasModule) peers.push(await startNginx(folder, prepare));
  else missing.push("nginx with libnginx-mod-http-dav-ext");
  return { peers, missing };
}

function send(method, url, headers = {}) {
  let done;
  const answered = new Promise((resolve, reject) => {
    done = request(url, { method, headers, agent: false }, resolve).once("error", reject);
  });
  return { stream: done, answered };
}

async function requireGood(answered) {
  const answer = await answered;
  if (answer.statusCode >= 300) throw new Error(`WebDAV answered ${answer.statusCode}`);
  return answer;
}

/** Bytes per second of a PUT of a local file, until it is answered. */
export async function davWrite(peer, name, path, sizeBytes) {
  const startedMs = performance.now();
  const { stream, answered } = send("PUT", peer.url + name, { "content-length": sizeBytes });
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), stream);
  (await requireGood(answered)).resume();
  return sizeBytes / ((performance.now() - startedMs) / 1000);
}

/** Bytes per second of a GET. */
export async function davRead(peer, name, sizeBytes) {
  const startedMs = performance.now();
  const { stream, answered } = send("GET", peer.url + name);
  stream.end();
  let left = sizeBytes;
  for await (const bytes of await requireGood(answered)) left -= bytes.length;
  if (left !== 0) throw new Error(`${peer.name} sent ${sizeBytes - left} bytes`);
  return sizeBytes / ((performance.now() - startedMs) / 1000);
}

/** A PROPFIND of a directory: milliseconds to the first byte and the last, and its entries. */
export async function davList(peer, name) {
  const startedMs = performance.now();
  const { stream, answered } = send("PROPFIND", peer.url + name, { depth: "1" });
  stream.end();
  let firstMs;
  let text = "";
  let entries = 0;
  for await (const bytes of await requireGood(answered)) {
    firstMs ??= performance.now() - startedMs;
    // An element may be cut in two by the pieces: the rest is looked at with the next one.
    text += bytes.toString("latin1");
    entries += text.split("<D:response>").length - 1;
    text = text.slice(Math.max(0, text.length - "<D:response>".length + 1));
  }
  return { firstMs, allMs: performance.now() - startedMs, entries: entries - 1 };
}

/**
 * The peers: WebDAV servers of Debian with TLS and a password, one copy on the same disk, asked
 * through Node's own HTTPS. They neither copy to other machines nor check content.
 */
import { spawn, spawnSync } from "node:child_process";
import { createReadStream, mkdirSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { createServer } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { bareCertificate } from "../files/bare-copy.mjs";

const USER = "bench";
const PASSWORD = "bench-on-loopback";
const READY_MS = 10_000;

/** Each with a name, and either `missing` or what it can do. */
export async function davServers(folder) {
  const certificate = await bareCertificate(join(folder, "webdav"));
  return Promise.all([
    started("rclone serve webdav", "rclone", folder, certificate, rcloneArguments),
    started("nginx WebDAV", "nginx", folder, certificate, nginxArguments),
  ]);
}

async function started(name, program, folder, certificate, argumentsOf) {
  if (spawnSync(program, ["-h"]).error !== undefined) {
    return { name, missing: `${program} is not installed` };
  }
  const files = join(folder, `${program}-files`);
  mkdirSync(files, { recursive: true, mode: 0o777 });
  const port = await freePort();
  const args = argumentsOf({ folder, files, port, certificate });
  const child = spawn(program, args, { stdio: "ignore", env: rcloneEnvironment() });
  const server = new DavServer({ name, child, port, ca: certificate.ca });
  try {
    await server.ready();
    return server;
  } catch (error) {
    await server.stop();
    return { name, missing: `${program} did not start: ${error.message}` };
  }
}

/** A password does not belong into the arguments, which every user can read. */
function rcloneEnvironment() {
  return { ...process.env, RCLONE_USER: USER, RCLONE_PASS: PASSWORD };
}

function rcloneArguments({ files, port, certificate }) {
  const tls = ["--cert", certificate.cert, "--key", certificate.key];
  return ["serve", "webdav", files, "--addr", `127.0.0.1:${port}`, ...tls];
}

function nginxArguments({ folder, files, port, certificate }) {
  const place = join(folder, "nginx");
  mkdirSync(place, { recursive: true });
  const passwords = join(place, "passwords");
  writeFileSync(passwords, `${USER}:{PLAIN}${PASSWORD}\n`);
  const path = join(place, "nginx.conf");
  writeFileSync(
    path,
    `daemon off; pid ${place}/pid; error_log ${place}/error.log; worker_processes 2;
     user root;
     events {}
     http {
       access_log off; client_max_body_size 0; client_body_temp_path ${files}/.part;
       server {
         listen 127.0.0.1:${port} ssl;
         ssl_certificate ${certificate.cert}; ssl_certificate_key ${certificate.key};
         ssl_protocols TLSv1.3;
         auth_basic bench; auth_basic_user_file ${passwords};
         root ${files};
         location / { dav_methods PUT DELETE; }
       }
     }`,
  );
  return ["-c", path, "-p", place];
}

class DavServer {
  #child;
  #options;

  constructor({ name, child, port, ca }) {
    this.name = name;
    this.#child = child;
    this.#options = { host: "127.0.0.1", port, ca, auth: `${USER}:${PASSWORD}` };
  }

  async ready() {
    const endMs = Date.now() + READY_MS;
    for (;;) {
      if (this.#child.exitCode !== null) throw new Error(`it ended with ${this.#child.exitCode}`);
      try {
        await this.#send("PUT", "/ready", ["ready"]);
        return;
      } catch (error) {
        if (Date.now() > endMs) throw error;
        await sleep(100);
      }
    }
  }

  async writeAndRead(input, name, measure, readAll) {
    const source = () => createReadStream(input, { highWaterMark: 1 << 20 });
    const write = await measure(() => this.#send("PUT", `/${name}`, source()));
    const read = await measure(async () => readAll(await this.#send("GET", `/${name}`)));
    await this.#send("DELETE", `/${name}`);
    return { write, read };
  }

  /** The body of the answer, which a GET must read and anything else has read. */
  async #send(method, path, body = []) {
    const call = request({ ...this.#options, method, path });
    const answered = new Promise((resolve, reject) => {
      call.once("response", resolve);
      call.once("error", reject);
    });
    answered.catch(() => {});
    await pipeline(body, call);
    const answer = await answered;
    if (answer.statusCode >= 300) throw new Error(`${method} ${path}: ${answer.statusCode}`);
    if (method === "GET") return answer;
    for await (const _ of answer);
    return answer;
  }

  async stop() {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGTERM");
    await ended;
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/**
 * llama.cpp's own way to split a model: two of its RPC servers with a thread and a core each, which
 * hold half of the layers each. The programs are built by whoever wants this comparison, and
 * `HEARTHMESH_LLAMA_RPC` names their folder; `docs/performance.md` says how.
 */
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { peakMemoryBytes, runProgram, startProgram } from "./processes.mjs";

const SERVER = "ggml-rpc-server";
const BENCH = "llama-bench";
const LISTEN_MS_MAX = 20_000;
const LISTEN_POLL_MS = 50;
/** State of a socket that listens, as `/proc/net/tcp` writes it. */
const LISTENING = "0A";

/** Undefined, with the reason told, without the programs. */
export function rpcPeer(onMissing) {
  const folder = process.env.HEARTHMESH_LLAMA_RPC;
  if (folder === undefined) {
    onMissing("HEARTHMESH_LLAMA_RPC names no folder");
    return undefined;
  }
  const missing = [SERVER, BENCH].find((name) => !existsSync(join(folder, name)));
  if (missing !== undefined) {
    onMissing(`there is no ${missing} in ${folder}`);
    return undefined;
  }
  return {
    name: "llama.cpp's RPC",
    /** `hosts` and `namespaces`: of the two members, which have a core each. */
    generate: (options) => generate(folder, options),
  };
}

async function generate(folder, { model, promptTokens, tokens, hosts, namespaces }) {
  const servers = [];
  try {
    for (const [at, host] of hosts.entries()) {
      const where = { cores: String(at), namespace: namespaces?.[at] };
      servers.push(await startServer(folder, host, where));
    }
    const endpoints = servers.map(({ endpoint }) => endpoint).join(",");
    const args = [
      "-m",
      model,
      "--rpc",
      endpoints,
      "-ngl",
      "99",
      "-t",
      "1",
      "-r",
      "1",
      "-o",
      "json",
    ];
    const sizes = ["-p", String(promptTokens), "-n", String(tokens)];
    const where = { cores: "0", namespace: namespaces?.[0] };
    const tests = JSON.parse(runProgram(join(folder, BENCH), [...args, ...sizes], where));
    const rate = (isWanted) => tests.find(isWanted).avg_ts;
    return {
      promptPerSecond: rate(({ n_gen }) => n_gen === 0),
      decodePerSecond: rate(({ n_gen }) => n_gen > 0),
      memoryBytes: Math.max(...servers.map(({ child }) => peakMemoryBytes(child.pid))),
    };
  } finally {
    for (const { child } of servers) child.kill("SIGKILL");
  }
}

async function startServer(folder, host, where) {
  const port = await freePort();
  const args = ["-H", host, "-p", String(port), "-t", "1"];
  const child = startProgram(join(folder, SERVER), args, where);
  const endMs = performance.now() + LISTEN_MS_MAX;
  while (!isListening(child.pid, port)) {
    if (child.exitCode !== null || performance.now() > endMs) {
      child.kill("SIGKILL");
      throw new Error(`${SERVER} does not listen on ${host}:${port}`);
    }
    await sleep(LISTEN_POLL_MS);
  }
  return { child, endpoint: `${host}:${port}` };
}

/** In the namespace of the process, into which nobody else can look by a socket. */
function isListening(pid, port) {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const lines = readFileSync(`/proc/${pid}/net/tcp`, "utf8").trim().split("\n").slice(1);
  return lines.some((line) => {
    const [, local, , state] = line.trim().split(/\s+/);
    return local.endsWith(wanted) && state === LISTENING;
  });
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

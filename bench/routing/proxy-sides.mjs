/** The processes behind the load: a service, and a node's proxy to it. */
import http from "node:http";
import { silentLogger, systemClock, systemRandom } from "../../packages/core/dist/index.js";
import { ServiceProxy } from "../../packages/gateway/dist/mesh/index.js";
import {
  HealthChecker,
  ServiceAccess,
  ServiceRegistry,
  systemServiceProber,
} from "../../packages/membership/dist/services/index.js";

const SMALL_BYTES = 1024;

/** Answers `/` at once with 1 KiB of JSON, and `/N` with N bytes in pieces of 64 KiB. */
export async function makeService() {
  const padding = "a".repeat(SMALL_BYTES - JSON.stringify({ text: "" }).length);
  const small = Buffer.from(JSON.stringify({ text: padding }));
  const piece = Buffer.alloc(64 * 1024, "b");
  const server = http.createServer((request, response) => {
    const bytes = Number(request.url.slice(1));
    if (bytes === 0) {
      const length = { "content-length": small.length };
      response.writeHead(200, { "content-type": "application/json", ...length });
      response.end(small);
      return;
    }
    response.writeHead(200, { "content-length": bytes });
    let left = bytes;
    const more = () => {
      while (left > 0) {
        const part = left < piece.length ? piece.subarray(0, left) : piece;
        left -= part.length;
        if (!response.write(part)) return;
      }
      response.end();
    };
    response.on("drain", more);
    more();
  });
  return { address: await listening(server) };
}

/** A node with that service, and its proxy behind a plain HTTP server. */
export async function makeProxy(port) {
  const tools = { clock: systemClock(), random: systemRandom(), log: silentLogger };
  const registry = new ServiceRegistry({
    storage: { load: async () => [], save: async () => {} },
    ownPorts: () => [],
    log: silentLogger,
  });
  await registry.add({ name: "service", port });
  const health = new HealthChecker({ registry, probe: systemServiceProber(), ...tools });
  await health.start();
  const access = new ServiceAccess({
    self: "a".repeat(52),
    registry,
    health,
    announced: () => [],
    links: { linkTo: () => Promise.reject(new Error("there is no other node")) },
    costMsTo: () => undefined,
    nameOf: () => "bench",
    ...tools,
  });
  const proxy = new ServiceProxy({ access, pseudonym: "hearthmesh-bench", ...tools });
  const server = http.createServer((request, response) => {
    proxy
      .handle(request, response, { target: "service", path: request.url })
      .catch((error) => response.writeHead(error.status ?? 500).end(error.message));
  });
  return { address: await listening(server) };
}

async function listening(server) {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server.address().port;
}

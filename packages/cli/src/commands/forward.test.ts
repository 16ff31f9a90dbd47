import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { systemClock, systemRandom } from "@hearthmesh/core";
import { expect, it } from "vitest";
import { createCli } from "../cli.js";
import { seemsToRun } from "../testing/running-node.js";
import { forwardCommand } from "./forward.js";

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

it("carries connections to the node's door, and resets those that nobody serves", async () => {
  let isThere = true;
  const door = http.createServer((request, response) => {
    if (request.url === "/api/mesh/services") response.end('{"services":[]}');
    else response.writeHead(404).end('{"code":"MESH_SERVICE_UNKNOWN","detail":"it has gone"}');
  });
  door.on("upgrade", (_request, socket) => {
    if (!isThere) {
      socket.end("HTTP/1.1 503 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      return;
    }
    socket.write("HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: hearthmesh-tcp\r\n\r\n");
    socket.on("end", () => socket.end(" and goodbye"));
    socket.on("data", (piece) => socket.write(piece));
  });
  door.listen(0, "127.0.0.1");
  await once(door, "listening");
  const home = await mkdtemp(join(tmpdir(), "hearthmesh-forward-"));
  await seemsToRun(home, `http://127.0.0.1:${(door.address() as AddressInfo).port}`);
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const stop = new AbortController();
  const cli = createCli({
    env: { MESH_HOME: home },
    cwd: home,
    streams: { stdin, stdout, stderr },
    clock: systemClock(),
    random: systemRandom(),
    signal: stop.signal,
  });
  const port = await freePort();
  const running = forwardCommand(cli).parseAsync(["sums", String(port)], { from: "user" });
  await once(stdout, "data");

  const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.end("hello");
  let text = "";
  for await (const piece of socket) text += piece;
  expect(text).toBe("hello and goodbye");

  isThere = false;
  const refused = net.connect({ port, host: "127.0.0.1" });
  const [error] = await once(refused, "error");
  expect(error).toMatchObject({ code: "ECONNRESET" });
  stop.abort();
  await running;
  expect(String(stderr.read())).toMatch(/Nobody offers sums now[\s\S]*connection refused:/);
  door.close();
  door.closeAllConnections();
  await rm(home, { recursive: true });
});

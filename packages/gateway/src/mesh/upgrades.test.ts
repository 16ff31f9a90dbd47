import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import net, { type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ProxyFixture } from "./testing/proxy-fixture.js";

let mesh: ProxyFixture;
beforeEach(async () => {
  mesh = await ProxyFixture.start({ firstByteMs: 1_000 });
});
afterEach(() => mesh.close());

/** RFC 6455, 1.3 */
const WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const acceptOf = (key: string) =>
  createHash("sha1")
    .update(key + WEBSOCKET_GUID)
    .digest("base64");

/** Answers the handshake and sends the payload of each small text frame back, unmasked. */
function webSocketServer(): http.Server {
  const server = http.createServer((_request, response) => {
    response.writeHead(426, { "content-length": "7" });
    response.end("upgrade");
  });
  server.on("upgrade", (request, socket, head) => {
    const key = String(request.headers["sec-websocket-key"]);
    if (request.url === "/refuse") {
      socket.end("HTTP/1.1 403 No\r\nContent-Length: 4\r\n\r\nnope");
      return;
    }
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        `Sec-WebSocket-Accept: ${acceptOf(key)}\r\nx-path: ${request.url}\r\n\r\n`,
    );
    // The first frame goes out together with the handshake.
    socket.write(Buffer.from([0x81, 2, 0x68, 0x69]));
    const onData = (frame: Buffer) => {
      const length = (frame[1] ?? 0) & 0x7f;
      const mask = frame.subarray(2, 6);
      const text = Buffer.from(
        frame.subarray(6, 6 + length).map((byte, at) => byte ^ mask[at % 4]!),
      );
      socket.write(Buffer.concat([Buffer.from([0x81, length]), text]));
    };
    if (head.length > 0) onData(head);
    socket.on("data", onData);
    socket.on("end", () => socket.end());
  });
  return server;
}

function maskedFrame(text: string): Buffer {
  const mask = randomBytes(4);
  const bytes = Buffer.from(text).map((byte, at) => byte ^ mask[at % 4]!);
  return Buffer.concat([Buffer.from([0x81, 0x80 | bytes.length]), mask, bytes]);
}

async function connect(text: string): Promise<Socket> {
  const socket = net.connect({ port: mesh.port, host: "127.0.0.1", allowHalfOpen: true });
  await once(socket, "connect");
  socket.write(text.replaceAll("\n", "\r\n"));
  return socket;
}

/** Reads until the text or bytes are there. */
async function readUntil(socket: Socket, isThere: (bytes: Buffer) => boolean): Promise<Buffer> {
  let bytes = Buffer.alloc(0);
  while (!isThere(bytes)) {
    const piece = (socket.read() ?? undefined) as Buffer | undefined;
    if (piece !== undefined) bytes = Buffer.concat([bytes, piece]);
    else if (socket.readableEnded) throw new Error(`it ended after ${bytes}`);
    else await Promise.race([once(socket, "readable"), once(socket, "end")]);
  }
  return bytes;
}

describe.each(["a", "b"] as const)("an upgrade to a service of node %s", (node) => {
  it("speaks WebSocket with it, with a frame that came early", async () => {
    await mesh.serve(node, { name: "chat" }, webSocketServer());
    const key = randomBytes(16).toString("base64");
    const socket = await connect(
      "GET /chat/room?x=1 HTTP/1.1\nHost: x\nConnection: Upgrade\nUpgrade: websocket\n" +
        `Sec-WebSocket-Key: ${key}\nSec-WebSocket-Version: 13\nX-Api-Key: secret\n\n`,
    );
    const greeting = await readUntil(socket, (bytes) => bytes.includes("\x81\x02hi", 0, "latin1"));
    const head = greeting.toString("latin1").split("\r\n\r\n")[0] ?? "";
    expect(head).toMatch(/^HTTP\/1\.1 101 /);
    expect(head).toContain(`Sec-WebSocket-Accept: ${acceptOf(key)}`);
    expect(head).toContain("Connection: Upgrade\r\nUpgrade: websocket");
    expect(head).toContain("x-path: /room?x=1");
    expect(head).toContain("X-Mesh-Service: chat");
    socket.write(maskedFrame("hello"));
    const echoed = await readUntil(socket, (bytes) => bytes.length >= 7);
    expect(echoed.subarray(2).toString()).toBe("hello");
    socket.end();
    await readUntil(socket, () => socket.readableEnded).catch(() => {});
    socket.destroy();
    expect(mesh.thrown).toEqual([]);
  });

  it("hands on the answer of a service that refuses", async () => {
    await mesh.serve(node, { name: "chat" }, webSocketServer());
    const socket = await connect(
      "GET /chat/refuse HTTP/1.1\nHost: x\nConnection: Upgrade\nUpgrade: websocket\n\n",
    );
    const answer = await readUntil(socket, (bytes) => bytes.includes("nope"));
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 403 No\r\n/);
    socket.destroy();
  });

  it("as hearthmesh-tcp is a plain connection, with half-closed directions", async () => {
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      const hash = createHash("sha256");
      socket.write("hello first\n");
      socket.on("data", (piece) => hash.update(piece));
      // Answers only after the other side has ended.
      socket.on("end", () => socket.end(hash.digest("hex")));
    });
    await mesh.serve(node, { name: "sums", protocol: "tcp" }, server);
    const body = randomBytes(5 << 20);
    const socket = await connect(
      "GET /sums/ HTTP/1.1\nHost: x\nConnection: Upgrade\nUpgrade: hearthmesh-tcp\n\nearly",
    );
    await readUntil(socket, (bytes) => bytes.includes("hello first\n"));
    socket.end(body);
    const sum = createHash("sha256").update("early").update(body).digest("hex");
    await readUntil(socket, (bytes) => bytes.includes(sum));
    socket.destroy();
  });
});

describe("an upgrade that cannot be", () => {
  it("is answered with the problem", async () => {
    const port = await mesh.deadPort();
    await mesh.a.registry.add({ name: "gone", port, protocol: "tcp" });
    await mesh.a.registry.add({ name: "gone-http", port });
    await mesh.serve(
      "b",
      { name: "silent" },
      net.createServer((socket) => void socket.resume()),
    );
    const cases = [
      ["/nobody/", "websocket", 404, "MESH_SERVICE_UNKNOWN"],
      ["/nobody/", "hearthmesh-tcp", 404, "MESH_SERVICE_UNKNOWN"],
      ["/gone/", "hearthmesh-tcp", 503, "MESH_SERVICE_UNAVAILABLE"],
      ["/gone/", "websocket", 400, "MESH_BAD_REQUEST"],
      ["/gone-http/", "websocket", 503, "MESH_SERVICE_UNAVAILABLE"],
      ["/silent/", "websocket", 504, "MESH_TIMEOUT"],
    ] as const;
    for (const [path, protocol, status, code] of cases) {
      const socket = await connect(
        `GET ${path} HTTP/1.1\nHost: x\nConnection: Upgrade\nUpgrade: ${protocol}\n\n`,
      );
      const answer = String(await readUntil(socket, (bytes) => bytes.includes("}")));
      expect(answer.startsWith(`HTTP/1.1 ${status} `)).toBe(true);
      expect(answer).toContain(`"code":"${code}"`);
      socket.destroy();
    }
  });

  it("lets go of the service when the caller leaves before the answer", async () => {
    let left: () => void = () => {};
    const gone = new Promise<void>((resolve) => {
      left = resolve;
    });
    const server = net.createServer((socket) => {
      socket.resume();
      socket.once("close", left);
    });
    const accepted = once(server, "connection");
    await mesh.serve("b", { name: "silent" }, server);
    const socket = await connect(
      "GET /silent/ HTTP/1.1\nHost: x\nConnection: Upgrade\nUpgrade: websocket\n\n",
    );
    await accepted;
    socket.destroy();
    await gone;
  });
});

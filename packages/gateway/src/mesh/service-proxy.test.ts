import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ask, ProxyFixture } from "./testing/proxy-fixture.js";

let mesh: ProxyFixture;
beforeEach(async () => {
  mesh = await ProxyFixture.start({ firstByteMs: 1_500 });
});
afterEach(() => mesh.close());

const sha = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

describe.each(["a", "b"] as const)("a service of node %s", (node) => {
  it("gets method, path, query, body, and answers with status, headers and body", async () => {
    await mesh.serve(node, { name: "echo" }, async (request, response) => {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece as Buffer);
      response.writeHead(207, "Many Things", {
        "x-own": ["one", "two"],
        "x-method": request.method,
      });
      response.end(`${request.url} ${Buffer.concat(pieces).toString()}`);
    });
    for (const method of ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "OPTIONS"]) {
      const body = `body of ${method}`;
      const answer = await ask(mesh.port, "/echo/a%20b/c?d=e&f", {
        method,
        body,
        headers: { "content-length": String(Buffer.byteLength(body)) },
      });
      expect(answer.status).toBe(207);
      expect(answer.headers["x-method"]).toBe(method);
      expect(answer.headers["x-own"]).toBe("one, two");
      expect(answer.body.toString()).toBe(`/a%20b/c?d=e&f ${body}`);
    }
  });

  it("carries big bodies both ways, unchanged, chunked and with a length", async () => {
    await mesh.serve(node, { name: "mirror" }, (request, response) => {
      const length = request.headers["content-length"];
      response.writeHead(200, length === undefined ? {} : { "content-length": length });
      request.pipe(response);
    });
    const body = randomBytes(12 << 20);
    for (const headers of [
      { "content-length": String(body.length) },
      { "transfer-encoding": "chunked" },
    ]) {
      const answer = await ask(mesh.port, "/mirror/", { method: "POST", body, headers });
      expect(answer.headers["content-length"]).toBe(
        (headers as Record<string, string>)["content-length"],
      );
      expect(sha(answer.body)).toBe(sha(body));
    }
  });

  it("answers HEAD, 204 and 304 without a body and keeps the connection", async () => {
    let connections = 0;
    const server = http.createServer((request, response) => {
      const status = Number(request.url?.slice(1)) || 200;
      response.writeHead(status, { "content-length": "5", etag: '"x"' });
      response.end(request.method === "HEAD" || status !== 200 ? undefined : "hello");
    });
    server.on("connection", () => connections++);
    await mesh.serve(node, { name: "short" }, server);
    const head = await ask(mesh.port, "/short/", { method: "HEAD" });
    expect(head.headers["content-length"]).toBe("5");
    expect((await ask(mesh.port, "/short/304")).status).toBe(304);
    expect((await ask(mesh.port, "/short/204")).status).toBe(204);
    expect((await ask(mesh.port, "/short/")).body.toString()).toBe("hello");
    expect(connections).toBe(1);
  });

  it("serves a thousand requests over few connections", async () => {
    let connections = 0;
    let count = 0;
    const server = http.createServer((_request, response) => response.end(`${++count}`));
    server.on("connection", () => connections++);
    await mesh.serve(node, { name: "many" }, server);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
    const seen = new Set<string>();
    const caller = async () => {
      for (let at = 0; at < 125; at++) {
        seen.add((await ask(mesh.port, "/many/", { agent })).body.toString());
      }
    };
    await Promise.all(Array.from({ length: 8 }, caller));
    agent.destroy();
    expect(seen.size).toBe(1000);
    expect(connections).toBeLessThanOrEqual(16);
    expect(mesh.proxy.idleConnections).toBeLessThanOrEqual(8);
  });

  it("hands on each event of an event stream at once", async () => {
    let send: (text: string) => void = () => {};
    await mesh.serve(node, { name: "events" }, (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.flushHeaders();
      send = (text) => response.write(text);
    });
    const request = http.get({ host: "127.0.0.1", port: mesh.port, path: "/events/" });
    // The head arrives although nothing was sent yet.
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    for (const text of ["data: one\n\n", "data: two\n\n"]) {
      const piece = once(response, "data");
      send(text);
      expect(String((await piece)[0])).toBe(text);
    }
    request.destroy();
  });

  it("passes trailers on, in both directions", async () => {
    await mesh.serve(node, { name: "trailers" }, async (request, response) => {
      for await (const _ of request);
      response.writeHead(200, { trailer: "x-sum" });
      response.write("body");
      response.addTrailers({ "x-sum": String(request.trailers["x-in"]) });
      response.end();
    });
    const request = http.request({
      host: "127.0.0.1",
      port: mesh.port,
      path: "/trailers/",
      method: "POST",
      headers: { trailer: "x-in", te: "trailers", "transfer-encoding": "chunked" },
    });
    request.write("x");
    request.addTrailers([["x-in", "seven"]]);
    request.end();
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    response.resume();
    await once(response, "end");
    expect(response.headers.trailer).toBe("x-sum");
    expect(response.trailers["x-sum"]).toBe("seven");
  });

  it("asks the service before it takes a body that the caller holds back", async () => {
    const server = http.createServer((request, response) => {
      request.resume().on("end", () => response.end("taken"));
    });
    let asked = 0;
    server.on("checkContinue", (request, response) => {
      asked++;
      if (request.headers["content-type"] === "no/thanks") {
        response.writeHead(413, { connection: "close" });
        response.end("too large");
        return;
      }
      response.writeContinue();
      server.emit("request", request, response);
    });
    await mesh.serve(node, { name: "careful" }, server);
    const upload = async (type: string) => {
      const request = http.request({
        host: "127.0.0.1",
        port: mesh.port,
        path: "/careful/",
        method: "POST",
        headers: { expect: "100-continue", "content-type": type, "content-length": "3" },
      });
      let continued = false;
      request.once("continue", () => {
        continued = true;
        request.end("abc");
      });
      request.flushHeaders();
      const [response] = (await once(request, "response")) as [http.IncomingMessage];
      response.resume();
      request.destroy();
      return { status: response.statusCode, continued };
    };
    expect(await upload("text/plain")).toEqual({ status: 200, continued: true });
    expect(await upload("no/thanks")).toEqual({ status: 413, continued: false });
    expect(asked).toBe(2);
  });

  it("makes a service wait for a caller that does not read", async () => {
    let written = 0;
    const piece = Buffer.alloc(64 * 1024, 1);
    await mesh.serve(node, { name: "flood" }, (request, response) => {
      const more = () => {
        while (!response.destroyed && response.write(piece)) written += piece.length;
        written += piece.length;
      };
      response.on("drain", more);
      request.on("close", () => {});
      more();
    });
    const socket = net.connect(mesh.port, "127.0.0.1");
    socket.pause();
    socket.write("GET /flood/ HTTP/1.1\r\nHost: x\r\n\r\n");
    let before = -1;
    // Until nothing moves any more: all buffers on the way are full.
    while (before !== written || written === 0) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
    expect(written).toBeLessThan(64 << 20);
    socket.destroy();
  }, 20_000);

  it("tells the service when the caller has gone", async () => {
    let gone: () => void = () => {};
    const left = new Promise<void>((resolve) => {
      gone = resolve;
    });
    await mesh.serve(node, { name: "long" }, (_request, response) => {
      response.write("begun");
      response.once("close", gone);
    });
    const request = http.get({ host: "127.0.0.1", port: mesh.port, path: "/long/" });
    request.on("error", () => {});
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    response.on("error", () => {});
    await once(response, "data");
    request.destroy();
    await left;
    expect(mesh.thrown).toEqual([]);
  });

  it("cuts the caller when the service dies within its answer", async () => {
    await mesh.serve(node, { name: "dies" }, (_request, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("half");
      setTimeout(() => response.socket?.destroy(), 20);
    });
    await expect(ask(mesh.port, "/dies/")).rejects.toThrow();
    expect(mesh.thrown).toEqual([]);
  });
});

describe("another candidate", () => {
  it("serves the request when the first one cannot be reached, with its body", async () => {
    const port = await mesh.deadPort();
    await mesh.a.registry.add({ name: "twin", port, capabilities: ["ai"] });
    await mesh.serve("b", { name: "twin", capabilities: ["ai"] }, (request, response) => {
      request.pipe(response);
    });
    const answer = await ask(mesh.port, "/ai/x", { method: "POST", body: "once" });
    expect(answer.body.toString()).toBe("once");
    expect(answer.headers["x-mesh-node"]).toBe("barn");
  });

  it("gets an idempotent request that broke off before an answer, and no other", async () => {
    const seen: string[] = [];
    await mesh.serve("a", { name: "twin" }, async (request, response) => {
      for await (const _ of request);
      seen.push(`a ${request.method}`);
      response.socket?.destroy();
    });
    await mesh.serve("b", { name: "twin" }, async (request, response) => {
      let text = "";
      for await (const piece of request) text += piece;
      seen.push(`b ${request.method} ${text}`);
      response.end();
    });
    expect((await ask(mesh.port, "/twin/", { method: "PUT", body: "again" })).status).toBe(200);
    expect(seen).toEqual(["a PUT", "b PUT again"]);
    seen.length = 0;
    const post = await ask(mesh.port, "/twin/", { method: "POST", body: "once" });
    expect(post.status).toBe(503);
    expect(post.headers["x-code"]).toBe("MESH_SERVICE_UNAVAILABLE");
    expect(seen).toEqual(["a POST"]);
    // More than is kept cannot be sent again.
    seen.length = 0;
    const large = await ask(mesh.port, "/twin/", { method: "PUT", body: "x".repeat(200_000) });
    expect(large.status).toBe(503);
    expect(seen).toEqual(["a PUT"]);
  });

  it("is not asked when the answer was bad: it was an answer", async () => {
    await mesh.serve(
      "a",
      { name: "twin" },
      net.createServer((socket) => socket.end("nonsense\r\n\r\n")),
    );
    await mesh.serve("b", { name: "twin" }, (_request, response) => response.end("b"));
    expect((await ask(mesh.port, "/twin/")).headers["x-code"]).toBe("MESH_PROTOCOL");
  });

  it("replaces a kept connection that the service has closed", async () => {
    let sockets: net.Socket[] = [];
    const server = http.createServer((_request, response) => response.end("ok"));
    server.on("connection", (socket: net.Socket) => sockets.push(socket));
    await mesh.serve("b", { name: "restarts" }, server);
    expect((await ask(mesh.port, "/restarts/")).status).toBe(200);
    // It closes when the next request comes, as a server does that was about to.
    const [first] = sockets;
    first?.removeAllListeners("data");
    first?.on("data", () => first.destroy());
    expect((await ask(mesh.port, "/restarts/")).status).toBe(200);
    expect(sockets.length).toBe(2);
    sockets = [];
  });

  it("is named with its reason when nobody can serve", async () => {
    await mesh.a.registry.add({ name: "gone", port: await mesh.deadPort() });
    await mesh.b.registry.add({ name: "gone", port: await mesh.deadPort() });
    const answer = await ask(mesh.port, "/gone/");
    expect(answer.status).toBe(503);
    expect(answer.body.toString()).toMatch(/on attic.*nothing listens.*on barn.*nothing listens/);
    expect((await ask(mesh.port, "/nobody/")).headers["x-code"]).toBe("MESH_SERVICE_UNKNOWN");
  });
});

describe("a hostile service", () => {
  const say = (bytes: string | Buffer) => net.createServer((socket) => void socket.write(bytes));

  it("is refused with a typed error", async () => {
    const cases: [string, string][] = [
      ["endless", `HTTP/1.1 200 OK\r\n${"x-a: b\r\n".repeat(20_000)}`],
      ["many", `HTTP/1.1 200 OK\r\n${"x-a: b\r\n".repeat(300)}\r\n`],
      ["garbage", "SSH-2.0-OpenSSH_9.2\r\n"],
      ["old", "HTTP/0.9 200 OK\r\n\r\n"],
      [
        "both",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      ],
      ["lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"],
      ["sign", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nab"],
      ["coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"],
      ["control", "HTTP/1.1 200 OK\r\nx-a: b\u0000c\r\n\r\n"],
      ["fold", "HTTP/1.1 200 OK\r\nx-a: b\r\n c\r\n\r\n"],
      ["space", "HTTP/1.1 200 OK\r\nx-a : b\r\n\r\n"],
      ["change", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"],
      ["interim", "HTTP/1.1 102 Processing\r\n\r\n".repeat(50)],
    ];
    for (const [name, bytes] of cases) {
      await mesh.serve("a", { name }, say(bytes));
      const answer = await ask(mesh.port, `/${name}/`);
      expect({ name, code: answer.headers["x-code"] }).toEqual({ name, code: "MESH_PROTOCOL" });
    }
  }, 20_000);

  it("that never answers ends in a timeout", async () => {
    await mesh.serve(
      "b",
      { name: "silent" },
      net.createServer((socket) => void socket.resume()),
    );
    expect((await ask(mesh.port, "/silent/")).headers["x-code"]).toBe("MESH_TIMEOUT");
  });

  it("that sends more than it said loses its connection", async () => {
    let connections = 0;
    await mesh.serve(
      "a",
      { name: "more" },
      net.createServer((socket) => {
        connections++;
        socket.on("data", () => {
          socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\nevil");
        });
      }),
    );
    for (let at = 0; at < 3; at++) {
      expect((await ask(mesh.port, "/more/")).body.toString()).toBe("ok");
    }
    expect(connections).toBe(3);
  });
});

describe("a slow caller", () => {
  it("may take longer for its body than the service for its answer", async () => {
    await mesh.serve("b", { name: "sink" }, (request, response) => {
      request.resume().on("end", () => response.end("done"));
    });
    const request = http.request({
      host: "127.0.0.1",
      port: mesh.port,
      path: "/sink/",
      method: "POST",
    });
    const answered = once(request, "response");
    for (let at = 0; at < 4; at++) {
      request.write("x");
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    request.end();
    const [response] = (await answered) as [http.IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(200);
  });
});

describe("an early answer", () => {
  it("reaches a caller that still sends", async () => {
    await mesh.serve("a", { name: "full" }, (request, response) => {
      response.writeHead(413);
      response.end("no");
      request.resume();
    });
    const answer = await ask(mesh.port, "/full/", { method: "POST", body: Buffer.alloc(2 << 20) });
    expect(answer.status).toBe(413);
  });
});

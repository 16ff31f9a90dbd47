import type { IncomingHttpHeaders } from "node:http";
import net from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Answer, ask, ProxyFixture } from "./testing/proxy-fixture.js";

let mesh: ProxyFixture;
beforeEach(async () => {
  mesh = await ProxyFixture.start();
});
afterEach(() => mesh.close());

interface Seen {
  headers: IncomingHttpHeaders;
  rawHeaders: string[];
}

async function seenWith(
  headers: Record<string, string | string[]>,
): Promise<Seen & { answer: Answer }> {
  const answer = await ask(mesh.port, "/mirror/", { headers });
  return { ...(JSON.parse(answer.body.toString()) as Seen), answer };
}

describe("headers of a request", () => {
  let port = 0;
  beforeEach(async () => {
    const service = await mesh.serve("b", { name: "mirror" }, (request, response) => {
      const { headers, rawHeaders } = request;
      response.end(JSON.stringify({ headers, rawHeaders }));
    });
    port = service.port;
  });

  it("name the service as the host, and the caller's host beside it", async () => {
    const { headers } = await seenWith({ host: "mesh.example:3000" });
    expect(headers.host).toBe(`127.0.0.1:${port}`);
    expect(headers["x-forwarded-host"]).toBe("mesh.example:3000");
    expect(headers["x-forwarded-for"]).toBe("127.0.0.1");
    expect(headers["x-forwarded-proto"]).toBe("http");
    expect(headers.forwarded).toBe('for=127.0.0.1;proto=http;host="mesh.example:3000"');
    expect(headers.via).toBe("1.1 hearthmesh-a");
    expect(headers["x-mesh-principal"]).toBe("spiffe://home.test/me");
  });

  it("keep what is the service's, and lose what is the mesh's or the connection's", async () => {
    const { headers, rawHeaders } = await seenWith({
      authorization: "Bearer of-the-service",
      cookie: "a=b",
      "X-Api-Key": "secret-of-the-mesh",
      "X-Mesh-Principal": "spiffe://home.test/somebody-else",
      "x-mesh-anything": "forged",
      connection: "keep-alive, X-Hop",
      "x-hop": "for this hop alone",
      "keep-alive": "timeout=3",
      "proxy-authorization": "Basic eDp5",
      te: "gzip",
      "X-Own": ["one", "two"],
    });
    expect(headers.authorization).toBe("Bearer of-the-service");
    expect(headers.cookie).toBe("a=b");
    expect(rawHeaders.filter((name) => name === "X-Own")).toHaveLength(2);
    const gone = ["x-api-key", "x-mesh-anything", "x-hop", "keep-alive", "proxy-authorization"];
    for (const name of [...gone, "te", "expect"]) expect(headers[name]).toBeUndefined();
    expect(headers["x-mesh-principal"]).toBe("spiffe://home.test/me");
  });

  it("go on from a reverse proxy on this machine", async () => {
    const { headers } = await seenWith({
      "x-forwarded-for": "192.0.2.7",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "home.example",
      forwarded: "for=192.0.2.7",
      via: "2.0 caddy",
    });
    expect(headers["x-forwarded-for"]).toBe("192.0.2.7, 127.0.0.1");
    expect(headers["x-forwarded-proto"]).toBe("https");
    expect(headers["x-forwarded-host"]).toBe("home.example");
    expect(headers.forwarded).toMatch(/^for=192\.0\.2\.7, for=127\.0\.0\.1;/);
    expect(headers.via).toBe("2.0 caddy, 1.1 hearthmesh-a");
  });

  it("keep a valid trace and replace one that is not", async () => {
    const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const kept = await seenWith({ traceparent, tracestate: "a=1", "x-request-id": "my-request" });
    expect(kept.headers).toMatchObject({
      traceparent,
      tracestate: "a=1",
      "x-request-id": "my-request",
    });
    expect(kept.answer.headers["x-request-id"]).toBe("my-request");
    const wrong = [
      "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
      "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      "nonsense",
    ];
    for (const traceparent of wrong) {
      const made = await seenWith({ traceparent, tracestate: "a=1", "x-request-id": "bad id {}" });
      expect(made.headers.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
      expect(made.headers.traceparent).not.toBe(traceparent);
      expect(made.headers.tracestate).toBeUndefined();
      expect(made.headers["x-request-id"]).toMatch(/^[0-9a-f]{32}$/);
    }
  });

  it("that show a circle are refused", async () => {
    const via = "1.1 hearthmesh-a, 1.1 hearthmesh-a, 1.1 other, 1.1 hearthmesh-a";
    const answer = await ask(mesh.port, "/mirror/", { headers: { via } });
    expect(answer.headers["x-code"]).toBe("MESH_SERVICE_UNAVAILABLE");
    expect(answer.body.toString()).toContain("circle");
  });

  it("and a path cannot bring a second request along", async () => {
    const paths = ["/a b", "/a\r\nx: y", "/a\u0000", "/\u00fc"];
    for (const path of paths) {
      const thrown = await raceOf(path);
      expect(thrown).toBe("MESH_BAD_REQUEST");
    }
  });

  /** `handle` with a path that no server of Node would let through. */
  async function raceOf(path: string): Promise<string> {
    const request = { method: "GET", headers: {}, rawHeaders: [], socket: {}, httpVersion: "1.1" };
    const response = { once() {}, off() {}, on() {}, destroyed: false };
    return mesh.proxy.handle(request as never, response as never, { target: "mirror", path }).then(
      () => "nothing",
      (error: { code: string }) => error.code,
    );
  }
});

describe("headers of an answer", () => {
  it("lose what reaches beyond the connection or the page, and gain who answered", async () => {
    await mesh.serve(
      "a",
      { name: "raw" },
      net.createServer((socket) => {
        socket.on("error", () => {});
        socket.end(
          "HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n" +
            "Keep-Alive: timeout=9\r\nProxy-Authenticate: Basic\r\nSet-Cookie: a=1\r\n" +
            "Set-Cookie: b=2\r\nX-Mesh-Node: forged\r\nX-Request-Id: forged\r\nVia: 1.0 inner\r\n" +
            "Strict-Transport-Security: max-age=9\r\nClear-Site-Data: *\r\nAlt-Svc: h2\r\n" +
            "Service-Worker-Allowed: /\r\nContent-Security-Policy: default-src 'self'\r\n\r\nok",
        );
      }),
    );
    const { headers, body } = await ask(mesh.port, "/raw/");
    expect(body.toString()).toBe("ok");
    expect(headers["set-cookie"]).toEqual(["a=1", "b=2"]);
    expect(headers["x-mesh-node"]).toBe("attic");
    expect(headers["x-mesh-service"]).toBe("raw");
    expect(headers["x-request-id"]).not.toBe("forged");
    expect(headers.via).toBe("1.0 inner, 1.1 hearthmesh-a");
    expect(headers["content-security-policy"]).toMatch(/^default-src 'self', sandbox /);
    const gone = ["x-hop", "proxy-authenticate", "strict-transport-security", "alt-svc"];
    for (const name of [...gone, "clear-site-data", "service-worker-allowed"]) {
      expect(headers[name]).toBeUndefined();
    }
  });
});

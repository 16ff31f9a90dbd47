import { request as httpRequest, type IncomingMessage } from "node:http";
import { createServer } from "node:net";
import { systemClock, systemRandom } from "@hearthmesh/core";
import { memoryStore } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type GatewayFixture, gatewayFixture } from "../testing/index.js";
import { LoopbackDoor } from "./loopback-door.js";

const clock = systemClock();
const random = systemRandom();

describe("the loopback door", () => {
  let fixture: GatewayFixture;
  let door: LoopbackDoor;
  let base: string;

  beforeEach(async () => {
    fixture = await gatewayFixture({ store: memoryStore({ clock }), clock, random });
    door = makeDoor("127.0.0.1", 0);
    await door.start();
    base = `http://localhost:${door.address?.port}`;
  });
  afterEach(async () => {
    await door.stop();
    await fixture.authority.close();
  });

  function makeDoor(host: string, port: number): LoopbackDoor {
    const { services, metrics } = fixture;
    return new LoopbackDoor({ host, port, services, metrics });
  }
  const content = (path: string) => `${base}/api/files/content?path=${encodeURIComponent(path)}`;

  it("opens on loopback addresses alone", async () => {
    expect(() => makeDoor("0.0.0.0", 0)).toThrow(
      expect.objectContaining({ code: "MESH_CONFIG_INVALID" }),
    );
    expect(() => makeDoor("192.168.1.2", 0)).toThrow(/may not be opened/);
  });

  it("says which port is taken and how to choose another", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as { port: number };
    const second = makeDoor("127.0.0.1", port);
    await expect(second.start()).rejects.toMatchObject({
      code: "MESH_PORT_TAKEN",
      message: expect.stringContaining(String(port)),
      hint: expect.stringContaining("--http-port"),
    });
    await second.stop();
    await new Promise((resolve) => other.close(resolve));
  });

  it("serves the page with a policy that takes scripts from /assets/ alone", async () => {
    const response = await fetch(`${base}/`);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toContain("text/html");
    const policy = response.headers.get("content-security-policy") ?? "";
    expect(policy).toContain(`script-src ${base}/assets/;`);
    expect(policy).not.toContain("unsafe");
    const again = await fetch(`${base}/`, {
      headers: { "if-none-match": response.headers.get("etag") ?? "" },
    });
    expect(again.status).toBe(304);
    // The browser keeps the headers of this answer with the page that it has.
    expect(again.headers.get("content-security-policy")).toBe(policy);
  });

  it("treats the caller as the operator, who has no certificate of a connection", async () => {
    const whoami = await jsonOf(fetch(`${base}/api/whoami`));
    expect(whoami).toMatchObject({ kind: "coordinator", operator: true, memberId: "alice" });
    const renew = await post("/api/identity/renew", { csrPem: "x" });
    expect(renew.status).toBe(403);
  });

  function post(path: string, body: unknown, headers: Record<string, string> = {}) {
    return fetch(base + path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  }

  it("makes, lists and revokes invites", async () => {
    const made = await post("/api/invites", { kind: "person", grants: ["/shared:read+write"] });
    expect(made.status).toBe(201);
    const { invite, code } = await jsonOf(made);
    expect(code).toMatch(/^hm1-alice-.*@localhost:9001$/);
    expect(invite).toMatchObject({ state: "open", maxUses: 1 });
    expect(JSON.stringify(invite)).not.toContain("secretHash");
    const revoked = await fetch(`${base}/api/invites/${encodeURIComponent(code)}`, {
      method: "DELETE",
    });
    expect((await jsonOf(revoked)).invite.state).toBe("revoked");
    const { invites } = await jsonOf(fetch(`${base}/api/invites`));
    expect(invites).toHaveLength(1);
  });

  it("draws an invite as a QR code when it is asked to", async () => {
    const made = await jsonOf(post("/api/invites?qr=true", { kind: "node" }));
    expect(made.qrSvg).toMatch(/^<svg /);
    expect(made.invite.roles).toEqual(["storage"]);
    expect(await jsonOf(post("/api/invites", { kind: "node" }))).not.toHaveProperty("qrSvg");
  });

  it("lists every wrong field at once", async () => {
    const response = await post("/api/invites", { kind: "cat", maxUses: 0, color: 1 });
    expect(response.status).toBe(400);
    expect(response.headers.get("content-type")).toContain("application/problem+json");
    const problem = await jsonOf(response);
    expect(problem).toMatchObject({ code: "MESH_BAD_REQUEST", status: 400 });
    const fields = problem.errors.map((error: { field: string }) => error.field);
    expect(fields).toEqual(expect.arrayContaining(["kind", "maxUses"]));
  });

  it.each([
    ["unknown route", "GET", "/api/nothing", undefined, 404, "MESH_NOT_FOUND"],
    ["broken JSON", "POST", "/api/invites", "{", 400, "MESH_BAD_REQUEST"],
    ["empty body", "POST", "/api/invites", "", 400, "MESH_BAD_REQUEST"],
    ["large body", "POST", "/api/invites", "x".repeat((1 << 20) + 1), 413, "MESH_BODY_TOO_LARGE"],
    ["bad escape", "GET", "/api/nodes/%zz", undefined, 400, "MESH_BAD_REQUEST"],
    ["missing path", "GET", "/api/files/stat", undefined, 400, "MESH_BAD_REQUEST"],
    ["missing file", "GET", "/api/files/stat?path=/no", undefined, 404, "MESH_PATH_NOT_FOUND"],
    [
      "bad flag",
      "DELETE",
      "/api/files?path=/a&recursive=maybe",
      undefined,
      400,
      "MESH_BAD_REQUEST",
    ],
  ])("answers with a problem: %s", async (_name, method, path, body, status, code) => {
    const response = await fetch(base + path, {
      method,
      headers: body === undefined ? {} : { "content-type": "application/json" },
      ...(body === undefined ? {} : { body }),
    });
    expect(response.status).toBe(status);
    const problem = await jsonOf(response);
    expect(problem).toMatchObject({ status, code, hint: expect.any(String) });
    expect(problem.instance).toMatch(/^[0-9a-f]{12}$/);
  });

  it("reads a file once for one request", async () => {
    let reads = 0;
    await fetch(content("/once"), { method: "PUT", body: Buffer.alloc(200_000) });
    const files = fixture.services.files(fixture.services.operator);
    const counting = {
      ...files,
      read: (...given: Parameters<typeof files.read>) => {
        reads++;
        return files.read(...given);
      },
    };
    Object.assign(fixture.services, { files: () => counting });
    await (await fetch(content("/once"))).arrayBuffer();
    await (await fetch(content("/once"), { headers: { range: "bytes=0-9" } })).arrayBuffer();
    expect(reads).toBe(2);
  });

  it("writes and reads a file, whole and in part", async () => {
    const bytes = Buffer.alloc(300_000, "0123456789");
    const put = await fetch(content("/a.bin"), { method: "PUT", body: bytes });
    expect(put.status).toBe(200);
    expect((await jsonOf(put)).entry).toMatchObject({ path: "/a.bin", sizeBytes: 300_000 });
    const whole = await fetch(content("/a.bin"));
    expect(whole.headers.get("content-length")).toBe("300000");
    expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true);
    const part = await fetch(content("/a.bin"), { headers: { range: "bytes=10-14" } });
    expect(part.status).toBe(206);
    expect(part.headers.get("content-range")).toBe("bytes 10-14/300000");
    expect(await part.text()).toBe("01234");
    const tail = await fetch(content("/a.bin"), { headers: { range: "bytes=-3" } });
    expect(await tail.text()).toBe("789");
    const outside = await fetch(content("/a.bin"), { headers: { range: "bytes=300000-" } });
    expect(outside.status).toBe(416);
    expect(outside.headers.get("content-range")).toBe("bytes */300000");
    const head = await fetch(content("/a.bin"), { method: "HEAD" });
    expect(head.headers.get("content-length")).toBe("300000");
  });

  it("keeps JSON and form bodies of a PUT as they are", async () => {
    for (const type of ["application/json", "application/x-www-form-urlencoded", "text/plain"]) {
      await fetch(content("/raw"), {
        method: "PUT",
        headers: { "content-type": type },
        body: "{not json",
      });
      expect(await (await fetch(content("/raw"))).text()).toBe("{not json");
    }
  });

  it("answers conditional requests", async () => {
    const created = await fetch(content("/c.txt"), {
      method: "PUT",
      headers: { "if-none-match": "*" },
      body: "one",
    });
    const { etag } = (await jsonOf(created)).entry;
    const again = await fetch(content("/c.txt"), {
      method: "PUT",
      headers: { "if-none-match": "*" },
      body: "two",
    });
    expect(again.status).toBe(412);
    const stale = { method: "PUT", headers: { "if-match": '"old"' }, body: "two" };
    expect((await jsonOf(fetch(content("/c.txt"), stale))).code).toBe("MESH_PATH_CHANGED");
    const unquoted = { method: "PUT", headers: { "if-match": "old" }, body: "two" };
    expect((await fetch(content("/c.txt"), unquoted)).status).toBe(400);
    const cached = await fetch(content("/c.txt"), { headers: { "if-none-match": `"${etag}"` } });
    expect(cached.status).toBe(304);
    expect(await cached.text()).toBe("");
    const fresh = { method: "PUT", headers: { "if-match": `"${etag}"` }, body: "three" };
    expect((await fetch(content("/c.txt"), fresh)).status).toBe(200);
    const changed = await fetch(content("/c.txt"), {
      headers: { range: "bytes=0-1", "if-range": `"${etag}"` },
    });
    expect(changed.status).toBe(200);
    expect(await changed.text()).toBe("three");
  });

  it.each([
    ["/x.html", "attachment", "application/octet-stream"],
    ["/x.svg", "attachment", "application/octet-stream"],
    ["/x.js", "attachment", "application/octet-stream"],
    ["/x.constructor", "attachment", "application/octet-stream"],
    ["/x.png", "inline", "image/png"],
    ["/x.txt", "inline", "text/plain; charset=utf-8"],
  ])("never lets %s run in the page's origin", async (path, disposition, type) => {
    await fetch(content(path), { method: "PUT", body: "<script>alert(1)</script>" });
    const response = await fetch(content(path));
    expect(response.headers.get("content-type")).toBe(type);
    expect(response.headers.get("content-disposition")).toMatch(new RegExp(`^${disposition};`));
    expect(response.headers.get("content-security-policy")).toMatch(/^sandbox;/);
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    const saved = await fetch(`${content(path)}&download=1`);
    expect(saved.headers.get("content-disposition")).toMatch(/^attachment;/);
  });

  it("names files in headers safely", async () => {
    const path = '/ü "x"\r\nset-cookie: a=b.txt';
    await fetch(content(path), { method: "PUT", body: "x" });
    const response = await fetch(content(path));
    expect(response.headers.get("set-cookie")).toBeNull();
    expect(response.headers.get("content-disposition")).toContain("filename*=UTF-8''%C3%BC%20");
  });

  it("answers a refused upload without reading all of it", async () => {
    const upload = startUpload("/forbidden/x");
    const piece = Buffer.alloc(1 << 16);
    // The body never ends: only a server that gives up reading ends this.
    const fill = () => {
      while (!upload.request.destroyed && upload.request.write(piece));
      upload.request.once("drain", fill);
    };
    fill();
    expect((await upload.answer).body).toMatchObject({ code: "MESH_FORBIDDEN" });
    await upload.closed;
    expect(fixture.files.bytesTaken).toBe(0);
  });

  it("answers when the upload fails half-way", async () => {
    const body = Buffer.alloc(1 << 20);
    const response = await fetch(content("/full/x"), { method: "PUT", body });
    expect(response.status).toBe(507);
    expect((await jsonOf(response)).code).toBe("MESH_DISK_FULL");
  });

  it("takes no more of an upload than its files take", async () => {
    let release: () => void = () => undefined;
    fixture.files.hold = new Promise((resolve) => {
      release = resolve;
    });
    const [total, piece] = [32 << 20, Buffer.alloc(1 << 20)];
    const upload = startUpload("/slow/x");
    let written = 0;
    const fill = () => {
      while (written < total) {
        written += piece.length;
        if (!upload.request.write(piece)) break;
      }
      if (written < total) upload.request.once("drain", fill);
      else upload.request.end();
    };
    fill();
    await expect.poll(() => fixture.files.bytesTaken).toBeGreaterThan(0);
    // What the kernel and the streams hold may be on its way, and that is less than the whole.
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(written).toBeLessThan(total);
    expect(fixture.files.bytesTaken).toBeLessThan(1 << 20);
    release();
    expect((await upload.answer).body).toMatchObject({ entry: { sizeBytes: total } });
  });

  it("stops reading for a client that went away", async () => {
    await fetch(content("/big.bin"), { method: "PUT", body: Buffer.alloc(16 << 20) });
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = httpRequest(content("/big.bin"), { agent: false });
      sent.once("response", resolve).once("error", reject).end();
    });
    response.on("error", () => undefined);
    response.destroy();
    await expect
      .poll(() => fixture.files.failures)
      .toEqual([expect.objectContaining({ code: "MESH_CANCELLED" })]);
  });

  it("keeps nothing of an upload that breaks off", async () => {
    const upload = startUpload("/broken");
    upload.answer.catch(() => undefined);
    upload.request.write(Buffer.alloc(1 << 16));
    await expect.poll(() => fixture.files.bytesTaken).toBeGreaterThan(0);
    upload.request.destroy();
    await expect.poll(() => fixture.files.failures.length).toBeGreaterThan(0);
    expect((await fetch(content("/broken"), { method: "HEAD" })).status).toBe(404);
  });

  function startUpload(path: string) {
    const sent = httpRequest(content(path), { method: "PUT", agent: false });
    const closed = new Promise<void>((resolve) => sent.once("close", resolve));
    const answer = new Promise<{ body: unknown }>((resolve, reject) => {
      sent.on("error", reject);
      sent.once("response", (response) => {
        let text = "";
        response.on("error", () => undefined);
        response.on("data", (piece) => {
          text += piece;
        });
        response.once("end", () => resolve({ body: JSON.parse(text) }));
      });
    });
    return { request: sent, answer, closed };
  }

  it("refuses what other web sites send, whatever the route", async () => {
    const port = door.address?.port ?? 0;
    const send = (method: string, path: string, headers: Record<string, string>) =>
      rawStatus(port, method, path, headers);
    const own = `localhost:${port}`;
    expect(await send("GET", "/api/status", { host: own })).toBe(200);
    expect(await send("GET", "/nothing", { host: "evil.example" })).toBe(403);
    const foreign = { host: own, origin: "http://evil.example" };
    expect(await send("POST", "/api/invites", foreign)).toBe(403);
    expect(await send("OPTIONS", "/api/invites", foreign)).toBe(403);
    await expect(fixture.authority.listInvites()).resolves.toEqual([]);
  });

  it("tells health without hiding what is unknown", async () => {
    expect((await fetch(`${base}/health`)).status).toBe(200);
    expect((await fetch(`${base}/health/live`)).status).toBe(200);
    const ready = await fetch(`${base}/health/ready`);
    expect(ready.status).toBe(200);
    expect(await jsonOf(ready)).toMatchObject({ status: "unknown" });
  });

  it("describes itself as OpenAPI 3.1", async () => {
    const document = await jsonOf(fetch(`${base}/openapi.json`));
    expect(document.openapi).toBe("3.1.0");
    expect(document.paths["/api/files/content"].put.requestBody).toBeDefined();
  });

  it("counts requests by route", async () => {
    await (await fetch(`${base}/api/files/stat?path=/secret`)).text();
    await expect
      .poll(async () => (await fixture.metrics.render()).body)
      .toContain('route="/api/files/stat",status="404"} 1');
    const { body } = await fixture.metrics.render();
    expect(body).not.toContain("secret");
    expect(body).toContain('collective_nodes_total{member="alice"} 3');
    expect(body).toContain('collective_file_operations_total{member="alice",operation="write"} 7');
  });
});

/** `fetch` does not let a caller set Host. */
function rawStatus(
  port: number,
  method: string,
  path: string,
  headers: Record<string, string>,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ port, host: "127.0.0.1", method, path, headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.once("error", reject);
    sent.end(method === "POST" ? "{}" : undefined);
  });
}

/** The body of an answer; its form is what the tests are about. */
async function jsonOf(response: Response | Promise<Response>) {
  return JSON.parse(await (await response).text());
}

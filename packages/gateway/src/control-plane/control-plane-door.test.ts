import { once } from "node:events";
import http from "node:http";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { MeshError, silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { afterEach, describe, expect, it } from "vitest";
import { type ControlPlaneAgent, ControlPlaneDoor } from "./control-plane-door.js";
import { ENROLMENT_UPGRADE } from "./enrolment-tunnel.js";
import { JOB_REQUEST_BYTES_MAX, TUNNEL_BYTES_MAX, TUNNELS_PER_ADDRESS_MAX } from "./limits.js";

const POOL = "ab12cd34";
const ANSWER = {
  text: " said",
  model: "demo",
  finishReason: "length",
  promptTokens: 2,
  completionTokens: 1,
};
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Sends back what it gets. */
async function echo(): Promise<number> {
  const server = createServer((socket) => socket.on("error", () => {}).pipe(socket));
  return listening(server);
}

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function open(
  agent: Partial<ControlPlaneAgent> = {},
  place = { host: "127.0.0.1", port: 0 },
) {
  const door = new ControlPlaneDoor({
    ...place,
    version: "1.2.3",
    agent: {
      isThere: async () => true,
      servesPool: async (poolId) => poolId === POOL,
      openEnrolment: async () => {
        throw new MeshError("MESH_UNREACHABLE");
      },
      complete: async () => ANSWER,
      ...agent,
    },
    clock: systemClock(),
    random: systemRandom(),
    log: silentLogger,
  });
  closers.push(() => door.stop());
  await door.start();
  return door.address?.port ?? 0;
}

async function ask(
  port: number,
  path: string,
  options: {
    method?: string;
    body?: unknown;
    headers?: Record<string, string>;
    host?: string;
  } = {},
) {
  const { method = "GET", body, headers, host = "127.0.0.1" } = options;
  const sent = http.request({ host, port, path, method, headers, agent: false });
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(sent, "response")) as [http.IncomingMessage];
  let text = "";
  for await (const piece of response) text += String(piece);
  return { status: response.statusCode, body: JSON.parse(text) };
}

async function tunnel(port: number, pool = POOL, upgrade = ENROLMENT_UPGRADE): Promise<Socket> {
  const path = `/api/pools/${pool}/enrolment`;
  const headers = { connection: "Upgrade", upgrade };
  const sent = http.request({ host: "127.0.0.1", port, path, headers });
  sent.end();
  const answer = once(sent, "response").then(([response]) => {
    throw Object.assign(new Error("refused"), { status: response.statusCode });
  });
  const upgraded = once(sent, "upgrade").then(([, socket]) => socket as Socket);
  const socket = await Promise.race([upgraded, answer]);
  answer.catch(() => {});
  closers.push(() => socket.destroy());
  return socket.on("error", () => {});
}

describe("the control plane's port", () => {
  it("is the next free one when the wanted one is in use, and says when none is", async () => {
    const taken = await echo();
    const port = await open({}, { host: "127.0.0.1", port: taken });
    expect(port).toBeGreaterThan(taken);
    expect(port).toBeLessThan(taken + 100);
    const last = await open({}, { host: "127.0.0.1", port: 65_535 });
    expect(last).toBe(65_535);
    const none = open({}, { host: "127.0.0.1", port: 65_535 });
    await expect(none).rejects.toMatchObject({ code: "MESH_PORT_TAKEN" });
  });

  it("tells its health, and of a pool only to who knows its id", async () => {
    const port = await open();
    expect(await ask(port, "/health")).toEqual({
      status: 200,
      body: { status: "ok", version: "1.2.3", agent: "up" },
    });
    expect((await ask(port, `/api/pools/${POOL}`)).body).toMatchObject({
      poolId: POOL,
      enrolment: { upgrade: ENROLMENT_UPGRADE },
    });
    expect(await ask(port, "/api/pools/ffff")).toMatchObject({
      status: 404,
      body: { code: "MESH_POOL_UNKNOWN" },
    });
    for (const path of ["/api/pools", "/api/pools/..%2f", "/api/pools/a/b", "/", "/api/jobs/a/b"]) {
      expect((await ask(port, path)).status, path).toBeGreaterThanOrEqual(400);
    }
    expect((await ask(port, "/api/pools/%zz")).body.code).toBe("MESH_BAD_REQUEST");
  });

  it("takes a job, passes it on whole but for streaming, and gives its answer", async () => {
    const bodies: object[] = [];
    const complete = async (body: object) => {
      bodies.push(body);
      return ANSWER;
    };
    const port = await open({ complete });
    const body = { prompt: "Hello world", max_tokens: 10, stream: true };
    const taken = await ask(port, "/api/jobs", { method: "POST", body });
    expect(taken).toMatchObject({ status: 202, body: { status: "running" } });
    const path = `/api/jobs/${taken.body.id}`;
    await expect.poll(async () => (await ask(port, path)).body.status).toBe("done");
    expect((await ask(port, path)).body.answer).toEqual(ANSWER);
    expect(bodies).toEqual([{ ...body, stream: false }]);
    const { jobs } = (await ask(port, "/api/jobs")).body;
    expect(jobs).toHaveLength(1);
    expect(JSON.stringify(jobs)).not.toContain("Hello");
    expect((await ask(port, path, { method: "DELETE" })).body.status).toBe("done");
  });

  it("refuses what is no job", async () => {
    const port = await open();
    const post = (body: unknown) => ask(port, "/api/jobs", { method: "POST", body });
    for (const body of [[], "text", { prompt: 7 }, {}, null]) {
      expect(await post(body)).toMatchObject({ status: 400, body: { code: "MESH_BAD_REQUEST" } });
    }
    const large = await post({ prompt: "x".repeat(JOB_REQUEST_BYTES_MAX) });
    expect(large.body.code).toBe("MESH_BODY_TOO_LARGE");
  });

  it("serves jobs to no page in a browser, and to no other machine", async () => {
    const port = await open({}, { host: "0.0.0.0", port: 0 });
    const refused = [
      { headers: { host: `evil.example:${port}` } },
      { headers: { origin: "https://evil.example" } },
      { headers: { "sec-fetch-site": "cross-site" } },
    ];
    for (const options of refused) {
      expect((await ask(port, "/api/jobs", options)).body.code).toBe("MESH_FORBIDDEN");
    }
    const card = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .find(({ family, internal }) => family === "IPv4" && !internal);
    if (card === undefined) return;
    const { address: host } = card;
    for (const named of [host, "localhost"]) {
      const headers = { host: `${named}:${port}` };
      const { body } = await ask(port, "/api/jobs", { host, headers });
      expect(body.code).toBe("MESH_FORBIDDEN");
    }
    expect((await ask(port, "/health", { host })).status).toBe(200);
  });
});

describe("the tunnel to the enrolment door", () => {
  const toEcho = async () => {
    const target = await echo();
    return { openEnrolment: async () => connect(target, "127.0.0.1") };
  };

  it("passes bytes on as they are, both ways, and ends with either side", async () => {
    const port = await open(await toEcho());
    const socket = await tunnel(port);
    socket.write("what nobody reads");
    const [piece] = await once(socket, "data");
    expect(String(piece)).toBe("what nobody reads");
    socket.end();
    await once(socket, "close");
  });

  it("is refused for another pool, another protocol and a door that is away", async () => {
    const port = await open();
    await expect(tunnel(port, "no-pool")).rejects.toMatchObject({ status: 400 });
    await expect(tunnel(port, POOL, "websocket")).rejects.toMatchObject({ status: 400 });
    await expect(tunnel(port)).rejects.toMatchObject({ status: 503 });
  });

  it("ends when it carries more than a request to join has", async () => {
    const port = await open(await toEcho());
    const socket = await tunnel(port);
    socket.resume();
    const closed = once(socket, "close");
    socket.write(Buffer.alloc(TUNNEL_BYTES_MAX + 1));
    await closed;
  });

  it("gives one address a few of them, and their places back", async () => {
    const port = await open(await toEcho());
    const sockets = [];
    for (let count = 0; count < TUNNELS_PER_ADDRESS_MAX; count++) sockets.push(await tunnel(port));
    await expect(tunnel(port)).rejects.toMatchObject({ status: 429 });
    sockets[0]?.destroy();
    await expect
      .poll(() =>
        tunnel(port).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
  });
});

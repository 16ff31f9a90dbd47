/** Two nodes of a mesh with a link between them in memory, and a proxy at the first one. */
import http, { type IncomingMessage, type RequestListener } from "node:http";
import net, { type AddressInfo, type Socket } from "node:net";
import {
  isMeshError,
  type NodeId,
  silentLogger,
  systemClock,
  systemRandom,
} from "@hearthmesh/core";
import {
  openServiceHealth,
  ServiceAccess,
  type ServiceDefinition,
  type ServiceHealth,
  type ServiceInput,
  ServiceRegistry,
  systemServiceProber,
} from "@hearthmesh/membership";
import { linkPair } from "@hearthmesh/qwormhole/testing";
import { refuseUpgrade, ServiceProxy, TCP_UPGRADE } from "../index.js";

const clock = systemClock();
const random = systemRandom();

const NODE_A = "a".repeat(52) as NodeId;
const NODE_B = "b".repeat(52) as NodeId;

interface TestNode {
  readonly registry: ServiceRegistry;
  readonly access: ServiceAccess;
  readonly health: ServiceHealth;
}

export class ProxyFixture {
  readonly #closers: (() => unknown)[] = [];
  a!: TestNode;
  b!: TestNode;
  proxy!: ServiceProxy;
  /** Of the first node's proxy: `/<target>/<path>`. */
  port = 0;
  /** Errors that `handle` threw, by their code. */
  readonly thrown: string[] = [];

  static async start(options: { firstByteMs?: number } = {}): Promise<ProxyFixture> {
    const fixture = new ProxyFixture();
    const { a, b, link } = await fixture.#nodes();
    fixture.a = a;
    fixture.b = b;
    fixture.#closers.push(() => link.close("test is over", 0));
    fixture.proxy = new ServiceProxy({
      access: a.access,
      pseudonym: "hearthmesh-a",
      clock,
      random,
      log: silentLogger,
      ...options,
    });
    fixture.#closers.push(() => fixture.proxy.close());
    fixture.port = await fixture.listen(fixture.#door());
    return fixture;
  }

  async #nodes() {
    const nodes = new Map<NodeId, TestNode>();
    let linkToB: Awaited<ReturnType<typeof linkPair>>["dialer"] | undefined;
    const make = (self: NodeId, name: string): TestNode => {
      const registry = new ServiceRegistry({
        storage: { load: async () => [], save: async () => {} },
        ownPorts: () => [],
        log: silentLogger,
      });
      const health = openServiceHealth({
        registry,
        probe: systemServiceProber(),
        clock,
        random,
        log: silentLogger,
      });
      const access = new ServiceAccess({
        self,
        registry,
        health,
        announced: () =>
          [...nodes].map(([nodeId, node]) => ({ nodeId, services: node.access.localServices() })),
        links: {
          linkTo: async () => {
            if (linkToB === undefined) throw new Error("there is no link");
            return linkToB;
          },
        },
        costMsTo: () => 3,
        nameOf: (nodeId) => (nodeId === self ? name : nodeId === NODE_A ? "attic" : "barn"),
        clock,
        random,
        log: silentLogger,
      });
      const node = { registry, access, health };
      nodes.set(self, node);
      return node;
    };
    const a = make(NODE_A, "attic");
    const b = make(NODE_B, "barn");
    const pair = await linkPair({}, { handlers: b.access.handlers });
    linkToB = pair.dialer;
    return { a, b, link: pair.dialer };
  }

  #door(): http.Server {
    const split = (request: IncomingMessage) => {
      const [, target = "", rest = ""] = /^\/([^/]*)(\/.*)$/.exec(request.url ?? "") ?? [];
      return { target: decodeURIComponent(target), path: rest };
    };
    const handle =
      (expectContinue: boolean): RequestListener =>
      (request, response) => {
        const options = { ...split(request), expectContinue, principal: "spiffe://home.test/me" };
        this.proxy.handle(request, response, options).catch((error: unknown) => {
          const { code, status } = isMeshError(error) ? error : { code: "OTHER", status: 500 };
          this.thrown.push(code);
          response.writeHead(status, { "x-code": code, connection: "close" });
          response.end(isMeshError(error) ? error.message : String(error));
        });
      };
    const server = http.createServer({ highWaterMark: 64 * 1024 }, handle(false));
    server.on("checkContinue", handle(true));
    server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
      const { target, path } = split(request);
      const work =
        request.headers.upgrade === TCP_UPGRADE
          ? this.proxy.connectTcp(request, socket, head, { target })
          : this.proxy.upgrade(request, socket, head, { target, path });
      work.catch((error: unknown) => {
        this.thrown.push(isMeshError(error) ? error.code : "OTHER");
        refuseUpgrade(socket, error);
      });
    });
    return server;
  }

  /** Serves HTTP and offers it as a service of the node. */
  async serve(
    node: "a" | "b",
    input: Partial<ServiceInput> & { name: string },
    server: http.Server | net.Server | RequestListener,
  ): Promise<ServiceDefinition> {
    const listening = typeof server === "function" ? http.createServer(server) : server;
    const port = await this.listen(listening);
    return this[node].registry.add({ ...input, port });
  }

  async listen(server: http.Server | net.Server): Promise<number> {
    const sockets = new Set<Socket>();
    server.on("connection", (socket: Socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.#closers.push(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    return (server.address() as AddressInfo).port;
  }

  /** A port of this machine on which nothing listens. */
  async deadPort(): Promise<number> {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }

  async close(): Promise<void> {
    for (const closer of this.#closers.reverse()) await closer();
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: Readonly<Record<string, string | undefined>>;
}

export interface AskOptions extends http.RequestOptions {
  readonly body?: string | Buffer;
}

/** One request with its whole answer. */
export function ask(port: number, path: string, options: AskOptions = {}): Promise<Answer> {
  const { body, ...rest } = options;
  return new Promise((resolve, reject) => {
    const request = http.request({ host: "127.0.0.1", port, path, ...rest }, (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.on("error", reject);
      response.on("end", () => {
        const { statusCode: status = 0, headers, trailers } = response;
        resolve({ status, headers, trailers, body: Buffer.concat(pieces) });
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}

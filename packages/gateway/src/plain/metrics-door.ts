/**
 * The metrics door: `GET /metrics` and `/health`, `/health/live`, `/health/ready`, over Node's own
 * HTTP server. Nodes without a gateway use it alone, so it imports nothing heavy.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type Clock, errorFields, type Logger, limits, type Startable } from "@hearthmesh/core";
import type { HealthResponse } from "../contracts/status.js";
import { closeServer, type DoorAddress, isLoopbackAddress, listen } from "./listen.js";
import { isNumericHost } from "./viewers.js";

export interface MetricsDoorOptions extends DoorAddress {
  readonly clock: Clock;
  readonly log: Logger;
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>;
  health(): Promise<HealthResponse>;
  ready(): Promise<HealthResponse>;
}

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

export class MetricsDoor implements Startable {
  readonly name = "metrics door";
  readonly #options: MetricsDoorOptions;
  readonly #server: Server;
  #address: DoorAddress | undefined;

  constructor(options: MetricsDoorOptions) {
    this.#options = options;
    this.#server = createServer(
      {
        requestTimeout: limits.HTTP_SMALL_REQUEST_MS_MAX,
        headersTimeout: limits.HTTP_SMALL_REQUEST_MS_MAX,
      },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.maxConnections = limits.HTTP_CONNECTIONS_MAX;
  }

  /** Where it listens; undefined before `start`. */
  get address(): DoorAddress | undefined {
    return this.#address;
  }

  async start(): Promise<void> {
    this.#address = await listen(this.#server, this.#options, "metrics");
    const listenAddress = `${this.#address.host}:${this.#address.port}`;
    if (isLoopbackAddress(this.#address.host)) {
      this.#options.log.info("metrics door is open", { listenAddress });
    } else {
      this.#options.log.warn("metrics are open to the network, in plaintext", { listenAddress });
    }
  }

  async stop(): Promise<void> {
    await closeServer(this.#server, this.#options.clock);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = await this.#answer(request).catch((error: unknown): Answer => {
      this.#options.log.error("the metrics door failed", errorFields(error));
      return { status: 500, contentType: "text/plain; charset=utf-8", body: "internal error\n" };
    });
    response.writeHead(answer.status, {
      "content-type": answer.contentType,
      "content-length": Buffer.byteLength(answer.body),
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    });
    response.end(request.method === "HEAD" ? undefined : answer.body);
  }

  /**
   * A web page reads a port of this machine alone under a name of its own that resolves to it (DNS
   * rebinding). A port that is open to the network is known by names that nobody told it.
   */
  #isRebound({ headers }: IncomingMessage): boolean {
    return isLoopbackAddress(this.#address?.host ?? "") && !isNumericHost(headers.host);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return { status: 405, contentType: "text/plain; charset=utf-8", body: "use GET\n" };
    }
    if (this.#isRebound(request)) {
      const body = "the Host header does not name this machine\n";
      return { status: 403, contentType: "text/plain; charset=utf-8", body };
    }
    switch ((request.url ?? "/").split("?", 1)[0]) {
      case "/metrics":
        return { status: 200, ...(await this.#options.metrics()) };
      case "/health":
        return healthAnswer(await this.#options.health());
      case "/health/live":
        return healthAnswer({ status: "ok", checks: [] });
      case "/health/ready":
        return healthAnswer(await this.#options.ready());
      default:
        return { status: 404, contentType: "text/plain; charset=utf-8", body: "see /metrics\n" };
    }
  }
}

/** 503 for what cannot do its work; `degraded` still can, and `unknown` is no reason to refuse. */
export function healthStatus(health: HealthResponse): 200 | 503 {
  return health.status === "failing" ? 503 : 200;
}

function healthAnswer(health: HealthResponse): Answer {
  const body = `${JSON.stringify(health)}\n`;
  return { status: healthStatus(health), contentType: "application/json", body };
}

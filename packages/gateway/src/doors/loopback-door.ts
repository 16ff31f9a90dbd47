/**
 * The loopback door: the first page and the API in plaintext, for whoever sits at this machine. The
 * caller is the operator, so it opens on loopback addresses alone and keeps web pages out (see
 * `loopback-guard.ts`).
 */
import { MeshError } from "@hearthmesh/core";
import type { FastifyInstance } from "fastify";
import type { HttpMetrics } from "../metrics/http-metrics.js";
import { readPageFiles } from "../page/page-files.js";
import { type DoorAddress, isLoopbackAddress } from "../plain/listen.js";
import { apiRoutes } from "../routes/api-routes.js";
import { pageRoutes } from "../routes/page-routes.js";
import { buildApp } from "../server/build-app.js";
import { guardLoopback } from "../server/loopback-guard.js";
import type { GatewayServices } from "../services.js";
import { HttpDoor } from "./http-door.js";

export interface LoopbackDoorOptions {
  /** `127.0.0.1`, `::1` or `localhost`. */
  readonly host: string;
  readonly port: number;
  readonly services: GatewayServices;
  readonly metrics: HttpMetrics;
}

export class LoopbackDoor extends HttpDoor {
  readonly #door: LoopbackDoorOptions;

  constructor(options: LoopbackDoorOptions) {
    super({
      name: "HTTP door",
      flag: "http",
      address: loopbackAddress(options),
      clock: options.services.clock,
      log: options.services.log,
    });
    this.#door = options;
  }

  protected async build(): Promise<FastifyInstance> {
    const { services, metrics } = this.#door;
    const caller = { principal: services.operator, proved: false, operator: true };
    return buildApp({
      door: "loopback",
      services,
      metrics,
      routes: [...apiRoutes(services), ...pageRoutes(await readPageFiles())],
      guard: ({ method, url, headers, raw }) => {
        const path = url.split("?", 1)[0] ?? "";
        guardLoopback({ method, path, headers }, raw.socket.localPort ?? this.#door.port);
      },
      caller: () => caller,
    });
  }
}

/** `localhost` may resolve to anything: it is read as 127.0.0.1. */
function loopbackAddress({ host, port }: LoopbackDoorOptions): DoorAddress {
  const address = host === "localhost" ? "127.0.0.1" : host;
  if (!isLoopbackAddress(address)) {
    throw new MeshError("MESH_CONFIG_INVALID", {
      message: `the plaintext HTTP port may not be opened on ${host}`,
      hint: "Use 127.0.0.1. Other machines use the port with mutual TLS (--api-port).",
      details: { key: "http.host", value: host },
    });
  }
  return { host: address, port };
}

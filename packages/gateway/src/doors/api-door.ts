/**
 * The API door: the same API under mutual TLS. The certificate says who calls; it is checked
 * against the CAs of the member and its peers in the handshake, and against the bundle of its own
 * domain, with revocations, at every request. When a key is revoked or a peer removed, the
 * connections end at once.
 */

import { Server } from "node:tls";
import type { FastifyInstance } from "fastify";
import type { HttpMetrics } from "../metrics/http-metrics.js";
import type { DoorAddress } from "../plain/listen.js";
import { apiRoutes } from "../routes/api-routes.js";
import { buildApp } from "../server/build-app.js";
import { certificateCaller } from "../server/caller.js";
import type { DoorCredentials, GatewayServices } from "../services.js";
import { HttpDoor, type UpgradeHandler } from "./http-door.js";
import { PeerChains } from "./peer-chains.js";
import { mutualTlsOptions } from "./tls-credentials.js";

export interface ApiDoorOptions extends DoorAddress {
  readonly services: GatewayServices;
  readonly metrics: HttpMetrics;
  readonly credentials: DoorCredentials;
  readonly upgrade?: UpgradeHandler;
}

export class ApiDoor extends HttpDoor {
  readonly #door: ApiDoorOptions;
  readonly #peers: PeerChains;
  #credentials: DoorCredentials;
  #unsubscribe: (() => void)[] = [];

  constructor(options: ApiDoorOptions) {
    const { host, port, services, credentials } = options;
    const { clock, log } = services;
    super({ name: "API door", flag: "api", address: { host, port }, clock, log });
    this.#door = options;
    this.#credentials = credentials;
    this.#peers = new PeerChains(services.authority);
  }

  protected async build(): Promise<FastifyInstance> {
    const { services, metrics } = this.#door;
    const { authority, log } = services;
    this.#unsubscribe.push(
      authority.onRevoked(({ nodeId }) => {
        const count = this.#peers.destroy(nodeId);
        if (count > 0) log.info("connections of a revoked identity were closed", { nodeId, count });
      }),
      authority.peers.onChange(({ trustDomain }) => {
        this.reload(this.#credentials);
        const count = this.#peers.recheck(trustDomain);
        if (count > 0) log.info("connections of a peer were closed", { trustDomain, count });
      }),
    );
    const resolver = certificateCaller(services, this.#peers);
    const app = buildApp({
      door: "api",
      services,
      metrics,
      routes: apiRoutes(services),
      tls: this.#tlsOptions(),
      caller: ({ raw, routeOptions }) => resolver.resolve(raw, routeOptions.url ?? ""),
    });
    const { upgrade } = this.#door;
    if (upgrade !== undefined) {
      app.server.on("upgrade", (request, socket, head) => upgrade(request, socket, head, resolver));
    }
    return app;
  }

  /** New connections get the renewed certificate; open ones go on. */
  reload(credentials: DoorCredentials): void {
    this.#credentials = credentials;
    const server = this.app?.server;
    if (server instanceof Server) server.setSecureContext(this.#tlsOptions());
  }

  #tlsOptions(): ReturnType<typeof mutualTlsOptions> {
    const { peers } = this.#door.services.authority;
    return mutualTlsOptions(this.#credentials, peers.caCertificatesPem());
  }

  override async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    await super.stop();
  }
}

/**
 * The enrolment door: TLS that proves the server alone, for machines and people that have no
 * certificate yet. Strangers reach it, so bodies are small, a request must come within seconds, and
 * attempts are counted by address.
 */

import { Server } from "node:tls";
import { limits } from "@hearthmesh/core";
import type { FastifyInstance } from "fastify";
import type { HttpMetrics } from "../metrics/http-metrics.js";
import type { DoorAddress } from "../plain/listen.js";
import { enrolmentRoutes } from "../routes/enrolment-routes.js";
import { buildApp } from "../server/build-app.js";
import type { DoorCredentials, GatewayServices } from "../services.js";
import { HttpDoor } from "./http-door.js";
import { tlsOptions } from "./tls-credentials.js";

export interface EnrolmentDoorOptions extends DoorAddress {
  readonly services: GatewayServices;
  readonly metrics: HttpMetrics;
  readonly credentials: DoorCredentials;
}

export class EnrolmentDoor extends HttpDoor {
  readonly #door: EnrolmentDoorOptions;
  #credentials: DoorCredentials;

  constructor(options: EnrolmentDoorOptions) {
    const { host, port, services, credentials } = options;
    const { clock, log } = services;
    super({ name: "enrolment door", flag: "enrol", address: { host, port }, clock, log });
    this.#door = options;
    this.#credentials = credentials;
  }

  protected async build(): Promise<FastifyInstance> {
    const { services, metrics } = this.#door;
    return buildApp({
      door: "enrolment",
      services,
      metrics,
      routes: enrolmentRoutes(services),
      tls: tlsOptions(this.#credentials),
      bodyBytesMax: limits.HTTP_ENROL_BYTES_MAX,
      requestMsMax: limits.HTTP_SMALL_REQUEST_MS_MAX,
    });
  }

  /** New connections get the renewed certificate; open ones go on. */
  reload(credentials: DoorCredentials): void {
    this.#credentials = credentials;
    const server = this.app?.server;
    if (server instanceof Server) server.setSecureContext(tlsOptions(credentials));
  }
}

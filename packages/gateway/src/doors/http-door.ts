/** A door with a fastify application behind it: opens its port, and ends in an orderly way. */

import type { IncomingMessage } from "node:http";
import type { Server } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock, Logger, Startable } from "@hearthmesh/core";
import type { FastifyInstance } from "fastify";
import { closeServer, type DoorAddress, type DoorFlag, listen } from "../plain/listen.js";
import type { CallerResolver } from "../server/caller.js";

/**
 * Takes over a connection that asks for another protocol (WebSocket). `caller` says who asks, by
 * the rules of the door; the handler applies a policy to it (`authorize`) and must answer or
 * destroy the socket.
 */
export type UpgradeHandler = (
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  caller: CallerResolver,
) => void;

type ListeningServer = Server & { closeIdleConnections(): void; closeAllConnections(): void };

export interface HttpDoorOptions {
  readonly name: string;
  readonly flag: DoorFlag;
  readonly address: DoorAddress;
  readonly clock: Clock;
  readonly log: Logger;
}

export abstract class HttpDoor implements Startable {
  readonly name: string;
  readonly #options: HttpDoorOptions;
  #app: FastifyInstance | undefined;
  #address: DoorAddress | undefined;
  #server: ListeningServer | undefined;

  protected constructor(options: HttpDoorOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Makes the application; called once, by `start`. */
  protected abstract build(): Promise<FastifyInstance>;

  /** What opens the port; the application's own server, unless the door shares it. */
  protected server(app: FastifyInstance): ListeningServer {
    return app.server;
  }

  /** Where it listens; undefined before `start`. */
  get address(): DoorAddress | undefined {
    return this.#address;
  }

  protected get app(): FastifyInstance | undefined {
    return this.#app;
  }

  async start(): Promise<void> {
    const { flag, address, log } = this.#options;
    const app = await this.build();
    this.#app = app;
    // A failure here is the program's own: a route without a policy, a page that is missing.
    await app.ready();
    const server = this.server(app);
    this.#server = server;
    this.#address = await listen(server, address, flag);
    const { host, port } = this.#address;
    log.info(`${this.name} is open`, { listenAddress: `${host}:${port}` });
  }

  async stop(): Promise<void> {
    const app = this.#app;
    const server = this.#server;
    this.#app = undefined;
    this.#server = undefined;
    if (app === undefined) return;
    if (server !== undefined) await closeServer(server, this.#options.clock);
    await app.close();
  }
}

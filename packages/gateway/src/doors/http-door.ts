/** A door with a fastify application behind it: opens its port, and ends in an orderly way. */
import type { Clock, Logger, Startable } from "@hearthmesh/core";
import type { FastifyInstance } from "fastify";
import { closeServer, type DoorAddress, type DoorFlag, listen } from "../plain/listen.js";

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

  protected constructor(options: HttpDoorOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Makes the application; called once, by `start`. */
  protected abstract build(): Promise<FastifyInstance>;

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
    this.#address = await listen(app.server, address, flag);
    const { host, port } = this.#address;
    log.info(`${this.name} is open`, { listenAddress: `${host}:${port}` });
  }

  async stop(): Promise<void> {
    const app = this.#app;
    this.#app = undefined;
    if (app === undefined) return;
    await closeServer(app.server, this.#options.clock);
    await app.close();
  }
}

/** A real storage node with its files on disk, over links in one process. */
import { type NodeId, silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import type { Link, LinkHandlers, LinkIdentity, listenLinks } from "@hearthmesh/qwormhole";
import { fileDisk } from "../../storage/file-disk.js";
import { NodeAgent } from "../../storage/node-agent.js";
import { openPackStore, type PackStore } from "../../storage/pack-store.js";
import { StorageNode } from "../../storage/storage-node.js";

const CAPACITY_BYTES = 2 ** 30;

export type Listener = Awaited<ReturnType<typeof listenLinks>>;

export interface RealNodeOptions {
  /** Its host too. */
  readonly name: string;
  readonly nodeId: NodeId;
  readonly identity: LinkIdentity;
  readonly directory: string;
  readonly coordinatorHost: string;
  /** Of every host. */
  readonly port: number;
  listen(host: string, identity: LinkIdentity, handlers: LinkHandlers): Promise<Listener>;
  dial(host: string, identity: LinkIdentity, handlers: LinkHandlers): Promise<Link>;
}

export class RealNode {
  readonly #options: RealNodeOptions;
  #chunks: PackStore | undefined;
  #agent: NodeAgent | undefined;
  #listener: Listener | undefined;

  constructor(options: RealNodeOptions) {
    this.#options = options;
  }

  get chunks(): PackStore {
    if (this.#chunks === undefined) throw new Error("the node has not started");
    return this.#chunks;
  }

  async start(): Promise<void> {
    const { name, nodeId, identity, directory, coordinatorHost, port } = this.#options;
    const clock = systemClock();
    const log = silentLogger;
    const disk = fileDisk(directory);
    const chunkStore = await openPackStore({ disk, clock, log, capacityBytes: CAPACITY_BYTES });
    this.#chunks = chunkStore;
    const dial = ({ addresses }: { addresses: readonly string[] }) =>
      this.#options.dial(addresses[0]?.split(":")[0] ?? "", identity, {});
    const part = new StorageNode({ nodeId, chunkStore, clock, log, dial });
    this.#listener = await this.#options.listen(name, identity, part.handlers);
    await new Promise<void>((resolve) => {
      this.#agent = new NodeAgent({
        dialCoordinator: () => this.#options.dial(coordinatorHost, identity, part.handlers),
        describe: () => ({
          roles: ["storage"],
          site: "home",
          addresses: [`${name}:${port}`],
          version: "1",
        }),
        report: () => chunkStore.report(),
        onRegistered: (_, registration) => {
          part.setRegistration(registration);
          resolve();
        },
        clock,
        random: systemRandom(),
        log,
      });
      void this.#agent.start();
    });
  }

  /** Links break and nobody listens, as when the process is killed. */
  async kill(): Promise<void> {
    await this.#listener?.close();
    for (const link of this.#listener?.links ?? []) link.destroy(new Error("killed"));
    await this.#agent?.stop();
  }

  async stop(): Promise<void> {
    await this.kill();
    await this.#chunks?.close();
    this.#chunks = undefined;
  }
}

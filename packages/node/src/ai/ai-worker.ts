/** Starts the process of a shard with this node's own key and certificate. */
import type { NodeId } from "@hearthmesh/core";
import { type HeldWorker, type StartWorker, startRingWorker } from "@hearthmesh/pool";
import { reachableAddresses } from "../addresses.js";
import type { Config } from "../config/config.js";
import type { CredentialHolder } from "../credential-holder.js";
import type { NodeCredentials } from "../home.js";
import type { Tools } from "../tools.js";
import type { AiHost } from "./ai-host.js";
import { BATCH_ROWS } from "./limits.js";

export interface AiWorkersOptions extends Tools {
  readonly config: Config;
  readonly nodeId: NodeId;
  readonly credentials: CredentialHolder;
  readonly host: AiHost;
}

type Worker = Awaited<ReturnType<typeof startRingWorker>>;

export class AiWorkers {
  readonly #options: AiWorkersOptions;
  readonly #running = new Set<Worker>();
  readonly #ports = new Set<number>();

  constructor(options: AiWorkersOptions) {
    this.#options = options;
    options.credentials.onChange((present) => {
      for (const worker of this.#running) worker.setCredentials(ringCredentials(present));
    });
  }

  readonly start: StartWorker = async (memoryBytesMax, signal): Promise<HeldWorker> => {
    const { config, nodeId, credentials, host, clock, log } = this.#options;
    const { tensor, sequencesMax } = config.ai;
    const { engine } = await host.measured(signal);
    const port = this.#takePort(tensor.port);
    try {
      const worker = await startRingWorker({
        ...{ nodeId, engine, memoryBytesMax, sequencesMax, clock },
        credentials: ringCredentials(credentials.current),
        listen: { host: tensor.host, port },
        libraryFolder: process.env.MESH_GGML_DIR,
        threads: host.threads,
        batchRowsMax: BATCH_ROWS,
        logger: log.child({ part: "engine" }),
      });
      this.#running.add(worker);
      const own = { host: tensor.host, port: worker.port };
      const endpoints = reachableAddresses(own, config.advertise);
      const close = async () => {
        this.#running.delete(worker);
        await worker.close();
        this.#ports.delete(port);
      };
      return { worker, endpoints, close };
    } catch (error) {
      this.#ports.delete(port);
      throw error;
    }
  };

  /** The configured one, or the next that no other model has; 0 is any. */
  #takePort(first: number): number {
    if (first === 0) return 0;
    let port = first;
    while (this.#ports.has(port)) port++;
    this.#ports.add(port);
    return port;
  }
}

function ringCredentials({ keyPem, certificatePem, caCertificatePem }: NodeCredentials) {
  return { keyPem, certificatePem, caPem: caCertificatePem };
}

/** A file client over the network: links to the coordinator and straight to the storage nodes. */
import { FileClient } from "@hearthmesh/collective/client";
import type { Clock, Logger, Random } from "@hearthmesh/core";
import { ApiClient } from "./api-client.js";
import { coordinatorPort } from "./coordinator-port.js";
import type { LoadedCollective } from "./credentials.js";
import { memberLinks } from "./member-links.js";
import { bundleOf } from "./server-check.js";

export interface ConnectFilesOptions {
  collective: LoadedCollective;
  clock: Clock;
  random: Random;
  log: Logger;
}

export interface FileConnection {
  readonly files: FileClient;
  /** Ends every link. */
  close(): Promise<void>;
}

/** Dials when files are first used; nothing happens before. */
export function connectFiles(options: ConnectFilesOptions): FileConnection {
  const { collective, clock, random, log } = options;
  const { keyPair, credentials, record, finder } = collective;
  const { certificatePem, caCertificatePem } = credentials;
  const bundle = bundleOf(caCertificatePem);
  const pool = memberLinks({ keyPair, certificatePem, bundle, clock, random, log });
  const learner = learnerOf(options);
  const files = new FileClient({
    coordinator: coordinatorPort({
      ...{ pool, finder, memberId: record.memberId, clock, random },
      onAnswer: () => void learner?.learnCoordinators(),
    }),
    links: pool,
    self: keyPair.nodeId,
    clock,
    random,
    log,
  });
  return {
    files,
    async close() {
      await learner?.settled();
      learner?.close();
      await pool.close();
    },
  };
}

/** Asks the API for the coordinators; undefined when no address of an API is known. */
function learnerOf({ collective, clock }: ConnectFilesOptions): ApiClient | undefined {
  const { finder, credentials } = collective;
  if (finder.addresses("apiAddresses").length === 0) return undefined;
  return new ApiClient({ finder, credentials, clock });
}

/**
 * The files of all members for a client: those of the own member as it has them, and under `/@bob`
 * those of the peer Bob, by the shortest way that there is. The own coordinator tells who is a peer
 * and where; everything else goes past it when it can.
 */
import type { FilesAtPeer, LinkPool, PeerDirectory, PeerWay } from "@hearthmesh/collective";
import {
  AwayFiles,
  FederatedFiles,
  PEERS_PATH,
  PeerFiles,
  WayMemory,
} from "@hearthmesh/collective/federation";
import { type Clock, isMeshError, type Logger, type Random } from "@hearthmesh/core";
import { ApiClient } from "./api-client.js";
import type { LoadedCollective } from "./credentials.js";
import { type FileAccess, HttpFiles } from "./http-files.js";
import { memberLinks } from "./member-links.js";
import { type PeerContact, peerBundle, peerContact, peerFinder } from "./peer-contact.js";
import { apiWay, homeWay, linkWays } from "./peer-ways.js";
import { sleepAlive } from "./sleep-alive.js";

export interface FederatedFilesOptions {
  /** Files of the own member. */
  readonly home: FileAccess;
  /** Of the own coordinator; it stays the caller's. */
  readonly api: ApiClient;
  /** Whose certificate is shown to peers. */
  readonly collective: Pick<LoadedCollective, "keyPair" | "credentials">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface FederatedConnection {
  readonly files: FileAccess;
  /** Ends the links to peers. */
  close(): Promise<void>;
}

/** A contact is asked for anew after this time: a peer may have moved, or be one no longer. */
const CONTACT_FRESH_MS = 30_000;
/** Links to peers that are elsewhere now, with what may still be under way on them. */
const RETIRED_MAX = 8;

/** Dials when a path of a peer is first used; nothing happens before. */
export function federateFiles(options: FederatedFilesOptions): FederatedConnection {
  const peers = new ClientPeers(options);
  return {
    files: new FederatedFiles(options.home, new AwayFiles(peers)),
    close: () => peers.close(),
  };
}

interface Known {
  readonly files: FilesAtPeer;
  readonly pool: LinkPool;
  readonly api: ApiClient | undefined;
  readonly contact: string;
  askedAtMs: number;
}

class ClientPeers implements PeerDirectory {
  readonly #options: FederatedFilesOptions;
  readonly #memory = new WayMemory();
  readonly #known = new Map<string, Known>();
  readonly #retired: Known[] = [];

  constructor(options: FederatedFilesOptions) {
    this.#options = options;
  }

  async names(signal?: AbortSignal): Promise<readonly string[]> {
    const names: string[] = [];
    for await (const { name } of new HttpFiles(this.#options.api).list(PEERS_PATH, signal)) {
      names.push(name.slice(1));
    }
    return names;
  }

  async open(name: string): Promise<FilesAtPeer> {
    const { api, clock } = this.#options;
    const known = this.#known.get(name);
    if (known !== undefined && clock.monotonicMs() - known.askedAtMs < CONTACT_FRESH_MS) {
      return known.files;
    }
    try {
      const contact = await peerContact(api, name);
      return await this.#keep(name, contact, known);
    } catch (error) {
      // Without the own coordinator what is known is still good for the ways past it.
      if (known === undefined || !isMeshError(error, "MESH_UNREACHABLE")) throw error;
      return known.files;
    }
  }

  async close(): Promise<void> {
    const all = [...this.#known.values(), ...this.#retired];
    this.#known.clear();
    await Promise.all(all.map(endOf));
  }

  async #keep(name: string, contact: PeerContact, before: Known | undefined): Promise<FilesAtPeer> {
    const askedAtMs = this.#options.clock.monotonicMs();
    const text = JSON.stringify(contact);
    if (before?.contact === text) {
      before.askedAtMs = askedAtMs;
      return before.files;
    }
    const { ways, pool, api } = this.#waysTo(contact);
    const { trustDomain } = contact;
    const { clock, log } = this.#options;
    const options = { peer: name, trustDomain, ways, memory: this.#memory, clock, log };
    const files = { trustDomain, files: new PeerFiles({ ...options, pause: sleepAlive }) };
    this.#known.set(name, { files, pool, api, contact: text, askedAtMs });
    if (before !== undefined) await this.#retire(before);
    return files;
  }

  /** What goes on over the links of before may end; those of long before are ended. */
  async #retire(known: Known): Promise<void> {
    this.#retired.push(known);
    const oldest = this.#retired.length > RETIRED_MAX ? this.#retired.shift() : undefined;
    if (oldest !== undefined) await endOf(oldest);
  }

  #waysTo(contact: PeerContact): { ways: PeerWay[] } & Pick<Known, "pool" | "api"> {
    const { collective, api: ownApi, clock, random, log } = this.#options;
    const { keyPair, credentials } = collective;
    const { certificatePem } = credentials;
    const bundle = peerBundle(contact);
    const pool = memberLinks({ keyPair, certificatePem, bundle, clock, random, log });
    const ways: PeerWay[] = [];
    if (contact.coordinators.length > 0) {
      const finder = peerFinder(contact, clock);
      const parts = { peer: contact, finder, pool, self: keyPair.nodeId };
      ways.push(...linkWays({ ...parts, clock, random, log }));
    }
    const addresses = contact.coordinators.flatMap(({ apiAddresses }) => apiAddresses);
    const api =
      addresses.length === 0 ? undefined : new ApiClient({ addresses, credentials, bundle, clock });
    if (api !== undefined) ways.push(apiWay(api));
    ways.push(homeWay(ownApi, contact));
    return { ways, pool, api };
  }
}

async function endOf({ pool, api }: Known): Promise<void> {
  api?.close();
  await pool.close();
}

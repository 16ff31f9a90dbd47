/** The storage role: the pack store on the disk, the methods on links, and the upkeep of both. */

import { mkdir, stat, statfs } from "node:fs/promises";
import { readIfThere, writePrivate } from "@hearthmesh/client/private-files";
import type { Leader, NodeRegisterResponse, PackStore } from "@hearthmesh/collective";
import {
  CoordinatorTime,
  fileDisk,
  NodeAgent,
  openPackStore,
  readMark,
  Scrubber,
  SeenMarkKeeper,
  StorageNode,
} from "@hearthmesh/collective/storage";
import { errorFields, limits, parseTrustDomain, type Startable, sleep } from "@hearthmesh/core";
import type { Link } from "@hearthmesh/qwormhole";
import { reachableAddresses } from "./addresses.js";
import type { Config } from "./config/config.js";
import type { NodeFiles, NodeRecord } from "./home.js";
import type { PeerLinks } from "./peer-links.js";
import type { Tools } from "./tools.js";
import { VERSION } from "./version.js";

const COMPACT_EVERY_MS = 60_000;

export interface StoragePartOptions extends Tools {
  config: Config;
  record: NodeRecord;
  files: NodeFiles;
  peers: PeerLinks;
  /** A link to the coordinator, which may be this process. */
  dialCoordinator(signal: AbortSignal): Promise<Link>;
  /** When that link is used by others too; by default the agent closes it. */
  releaseLink?(link: Link): Promise<void>;
  /**
   * When the coordinator of the last dial is in this process: the key that signs its tickets. The
   * link in memory has another one at its far end.
   */
  ownCoordinator?(): { coordinatorPublicKey: Uint8Array } | undefined;
  /** Another coordinator leads than was dialled last. */
  onOtherLeader?(leader: Leader): void;
  /** What the coordinator answered to a registration. */
  onRegistered?(response: NodeRegisterResponse): void;
}

export class StoragePart implements Startable {
  readonly name = "storage";
  readonly chunkStore: PackStore;
  readonly node: StorageNode;
  readonly agent: NodeAgent;
  readonly scrubber: Scrubber;
  readonly #options: StoragePartOptions;
  readonly #seen: SeenMarkKeeper;
  readonly #stopping = new AbortController();
  #workers: Promise<void>[] = [];
  #isRestrained = false;

  private constructor(options: StoragePartOptions, chunkStore: PackStore, seen: SeenMarkKeeper) {
    this.#options = options;
    this.chunkStore = chunkStore;
    this.#seen = seen;
    const { record, config, clock, random, log } = options;
    const time = new CoordinatorTime(clock);
    this.scrubber = new Scrubber({
      ...{ chunkStore, clock, random, log },
      disk: fileDisk(options.files.chunks),
      busy: () => this.#isRestrained || this.node.isBusy,
    });
    this.node = new StorageNode({
      nodeId: record.nodeId,
      chunkStore,
      trustDomain: parseTrustDomain(record.trustDomain),
      time,
      scrub: this.scrubber,
      clock,
      log,
      dial: (source) => options.peers.linkToAddresses(source.nodeId, source.addresses),
    });
    this.agent = new NodeAgent({
      dialCoordinator: options.dialCoordinator,
      ...(options.releaseLink === undefined ? {} : { releaseLink: options.releaseLink }),
      describe: () => ({
        roles: record.roles,
        site: config.site,
        addresses: reachableAddresses(config.links, config.advertise),
        version: VERSION,
      }),
      report: async () => ({ ...(await chunkStore.report()), scrub: this.scrubber.summary() }),
      ...{ time, seen },
      onRegistered: (response, registration) => {
        this.node.setRegistration({ ...registration, ...options.ownCoordinator?.() });
        options.onRegistered?.(response);
      },
      onOtherLeader: (leader) => options.onOtherLeader?.(leader),
      clock,
      random,
      log,
    });
  }

  static async open(options: StoragePartOptions): Promise<StoragePart> {
    const { config, files, clock, random, log } = options;
    await mkdir(files.chunks, { recursive: true, mode: 0o700 });
    const chunkStore = await openPackStore({
      disk: fileDisk(files.chunks),
      capacityBytes: config.capacityBytes ?? (await standardCapacity(files.chunks)),
      packBytesMax: config.packBytesMax,
      clock,
      random,
      log,
      onDamaged: (id) => part.scrubber.damaged(id),
    });
    const seen = await openSeenMark(files.seen);
    const part: StoragePart = new StoragePart(options, chunkStore, seen);
    return part;
  }

  async start(): Promise<void> {
    await this.agent.start();
    await this.scrubber.start();
    this.#workers = [this.#repeat("compaction", () => this.#compact())];
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.agent.stop();
    await this.#seen.settle();
    await this.scrubber.stop();
    await Promise.all(this.#workers);
    await this.chunkStore.close();
  }

  /** Runs a step for ever; the step answers how long to rest after it. */
  async #repeat(worker: string, step: () => Promise<number>): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const restMs = await step().catch((error: unknown) => {
        log.warn("background work failed; trying again", { worker, ...errorFields(error) });
        return COMPACT_EVERY_MS;
      });
      await sleep(clock, restMs, signal).catch(() => undefined);
    }
  }

  /** Background work leaves more room, whoever asks for chunks, until this is taken back. */
  restrain(on: boolean): void {
    this.#isRestrained = on;
  }

  async #compact(): Promise<number> {
    if (this.#isRestrained) return COMPACT_EVERY_MS;
    await this.chunkStore.compactOnce();
    return COMPACT_EVERY_MS;
  }
}

/** How far the coordinator was when this node last heard of it; damaged or absent: unknown. */
async function openSeenMark(path: string): Promise<SeenMarkKeeper> {
  const text = await readIfThere(path);
  return new SeenMarkKeeper({
    mark: text === undefined ? undefined : readMark(parseJson(text)),
    save: (mark) => writePrivate(path, `${JSON.stringify({ v: 1, ...mark })}\n`),
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Half of what is free, so that the rest of the machine keeps room; what is there counts too. */
async function standardCapacity(directory: string): Promise<number> {
  await stat(directory);
  const { bavail, bsize } = await statfs(directory);
  return Math.max(Math.floor((bavail * bsize) / 2), limits.PACK_BYTES_MAX);
}

/**
 * The worker `scrub` at the coordinator. The nodes verify their chunks themselves (`scrubber.ts`);
 * here they are given their settings, looked at, asked for a whole pass when a person wants one,
 * and what they found damaged is copied to them again at once, from a node that has it.
 */
import {
  type ChunkId,
  errorFields,
  isMeshError,
  type Logger,
  MeshError,
  type NodeId,
} from "@hearthmesh/core";
import type { Store } from "@hearthmesh/store";
import type { ChunkScrubResponse } from "../../protocol.js";
import type { Placement } from "../../storage/placement.js";
import { keys } from "../keys.js";
import type { NodeCalls } from "../node-calls.js";
import type { NodeDirectory } from "../node-directory.js";
import { isEmpty } from "../store-helpers.js";
import type { TicketOffice } from "../ticket-office.js";
import { CopyOrders } from "./copy-orders.js";
import type { Progress } from "./worker-definition.js";

/** Between two looks at a pass that was asked for. */
const LOOK_EVERY_MS = 1_000;

export interface ScrubWatchOptions {
  readonly store: Store;
  readonly nodes: NodeDirectory;
  readonly calls: NodeCalls;
  readonly tickets: TicketOffice;
  readonly log: Logger;
  placement(): Placement;
  /** Resolves after this time, or rejects when the worker stops. */
  rest(timeMs: number, signal: AbortSignal): Promise<void>;
}

/** One node in a pass that was asked for. */
interface PassOf {
  readonly nodeId: NodeId;
  readonly wanted: number;
  /** Counts of its pass that are told already. */
  told: Pick<ChunkScrubResponse, "verified" | "damaged" | "bytes">;
  state: "under way" | "ended" | "lost";
  portion: number;
}

const NOTHING = { verified: 0, damaged: 0, bytes: 0 };

export class ScrubWatch {
  readonly #options: ScrubWatchOptions;
  #missing = 0;

  constructor(options: ScrubWatchOptions) {
    this.#options = options;
  }

  /** Damaged chunks that are not stored again yet, as the nodes said last. */
  get missing(): number {
    return this.#missing;
  }

  async run(signal: AbortSignal, progress: Progress): Promise<void> {
    if (progress.asked) await this.#passOverAll(signal, progress);
    else await this.#look(progress);
  }

  /** Gives every node its settings, and mends what is damaged. */
  async #look(progress: Progress): Promise<void> {
    const { nodes, calls } = this.#options;
    const { settings } = progress;
    const found = await Promise.all(
      nodes.onlineStorage().map(async (nodeId) => {
        const answer = await calls.scrub(nodeId, { settings }).catch(this.#olderNode(nodeId));
        return { nodeId, missing: answer?.missing ?? [] };
      }),
    );
    await this.#mend(found, progress);
  }

  /** Rejects when not all storage nodes have verified all they have. */
  async #passOverAll(signal: AbortSignal, progress: Progress): Promise<void> {
    const { nodes, rest } = this.#options;
    const online = nodes.onlineStorage();
    const passes = await Promise.all(online.map((nodeId) => this.#begin(nodeId, progress)));
    while (passes.some((pass) => pass.state === "under way")) {
      await rest(LOOK_EVERY_MS, signal);
      await Promise.all(passes.map((pass) => this.#follow(pass, progress)));
      const shares = passes.map(({ state, portion }) => (state === "under way" ? portion : 1));
      progress.portion(shares.reduce((sum, share) => sum + share, 0) / shares.length);
    }
    await this.#look(progress);
    const away = nodes.list().filter((node) => node.roles.includes("storage"));
    const names = away
      .filter(({ nodeId }) => !passes.some((one) => one.nodeId === nodeId && one.state === "ended"))
      .map((node) => node.name);
    if (names.length > 0) {
      throw new MeshError("MESH_UNREACHABLE", {
        message: `these nodes were not verified to their end: ${names.join(", ")}`,
        hint: "Start them, then run it again.",
      });
    }
  }

  async #begin(nodeId: NodeId, progress: Progress): Promise<PassOf> {
    const { calls, log } = this.#options;
    const pass = { nodeId, told: NOTHING, portion: 0 };
    try {
      const answer = await calls.scrub(nodeId, { settings: progress.settings, run: true });
      return { ...pass, wanted: answer.passes + 1, state: "under way" };
    } catch (error) {
      progress.error(1);
      log.warn("a node did not begin to verify its chunks", { nodeId, ...errorFields(error) });
      return { ...pass, wanted: 0, state: "lost" };
    }
  }

  async #follow(pass: PassOf, progress: Progress): Promise<void> {
    if (pass.state !== "under way") return;
    const { nodeId } = pass;
    try {
      const answer = await this.#options.calls.scrub(nodeId, { settings: progress.settings });
      const hasEnded = answer.passes >= pass.wanted;
      // A node that was started anew has forgotten what it was asked for.
      if (!hasEnded && !answer.full) pass.state = "lost";
      tell(pass, hasEnded ? (answer.lastFull ?? answer) : answer, progress);
      pass.portion = answer.portion;
      if (hasEnded) pass.state = "ended";
      await this.#mend([{ nodeId, missing: answer.missing }], progress);
    } catch (error) {
      pass.state = "lost";
      progress.error(1);
      this.#options.log.warn("a node that verifies its chunks is gone", {
        nodeId,
        ...errorFields(error),
      });
    }
  }

  async #mend(
    found: readonly { nodeId: NodeId; missing: readonly ChunkId[] }[],
    progress: Progress,
  ): Promise<void> {
    this.#missing = found.reduce((sum, { missing }) => sum + missing.length, 0);
    if (this.#missing === 0) return;
    const { nodes, calls, log, placement } = this.#options;
    const set = placement();
    const orders = new CopyOrders({ ...this.#options, progress, onSettled: () => undefined });
    for (const { nodeId, missing } of found) {
      for (const id of missing) {
        if (!set.replicaSet(id).includes(nodeId)) continue;
        if (await isEmpty(this.#options.store, keys.referencesOf(id))) continue;
        const sources = await holdersOf(calls, nodes.onlineStorage(), id, nodeId);
        if (sources.length > 0) await orders.add(id, nodeId, sources);
        else log.error("no other copy of a damaged chunk is there", { nodeId, chunkId: id });
      }
    }
    await orders.finish();
  }

  /** A node of an earlier version verifies its chunks too, but does not speak about it. */
  #olderNode(nodeId: NodeId): (error: unknown) => undefined {
    return (error) => {
      const isOld = isMeshError(error, "MESH_FORBIDDEN") || isMeshError(error, "MESH_BAD_REQUEST");
      const text = isOld
        ? "a node tells nothing of its scrub"
        : "a node was not asked of its scrub";
      this.#options.log.debug(text, { nodeId, ...errorFields(error) });
      return undefined;
    };
  }
}

/** What came since the last look. */
function tell(pass: PassOf, now: PassOf["told"], progress: Progress): void {
  const { told } = pass;
  progress.done(Math.max(0, now.verified - told.verified));
  progress.error(Math.max(0, now.damaged - told.damaged));
  progress.bytes(Math.max(0, now.bytes - told.bytes));
  pass.told = now;
}

async function holdersOf(
  calls: NodeCalls,
  online: readonly NodeId[],
  id: ChunkId,
  except: NodeId,
): Promise<NodeId[]> {
  const others = online.filter((nodeId) => nodeId !== except);
  const has = await Promise.all(others.map((nodeId) => calls.has(nodeId, id).catch(() => false)));
  return others.filter((_, at) => has[at] === true);
}

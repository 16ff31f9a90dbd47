/**
 * The coordinator of a member: namespace, uploads, nodes, layout and their upkeep, over one store.
 *
 * `start` loads what the store holds; `handlers` serves `node.*` and `file.*` to links; `call` is
 * the same within the process. Links are handed in with `attach` as soon as they are accepted, so
 * that the coordinator can speak to the nodes over the links that the nodes opened.
 */
import {
  asWireError,
  decodeMessage,
  encodeMessage,
  isMeshError,
  limits,
  MeshError,
  type NodeId,
  resetWith,
  type Startable,
} from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { IncomingRequest, Link, LinkHandlers } from "@hearthmesh/qwormhole";
import type { NodeLinks } from "../client/ports.js";
import { CopiesAccess } from "../copies/copies-access.js";
import { distinctZones } from "../storage/placement.js";
import type { Layout, NodeInfo } from "../types.js";
import { Access } from "./access.js";
import type { Background } from "./background.js";
import type { ChunkProbeAnswer } from "./chunk-probe.js";
import type { CoordinatorOptions, CoordinatorStatus } from "./coordinator-options.js";
import { buildParts, type CoordinatorParts } from "./coordinator-parts.js";
import { acksNeeded } from "./durability.js";
import { Fields } from "./fields.js";
import { fileOfKey } from "./keys.js";
import { type Answer, type Caller, checkPolicy, findMethod } from "./method-table.js";
import { OperationCounts } from "./operation-counts.js";
import { decodeJson, type UploadRecord } from "./records.js";
import { pagesOf } from "./store-helpers.js";
import type { ReplicationState } from "./workers/replication-tally.js";
import type { Worker } from "./workers/worker.js";

export interface CallOptions {
  /**
   * Key hash of whoever will present the tickets of the answer, when that is not the principal: a
   * gateway acts for a person and speaks to the storage nodes with its own key.
   */
  readonly holder?: NodeId;
}

export class Coordinator implements Startable {
  readonly name = "coordinator";
  readonly #options: CoordinatorOptions;
  readonly #parts: CoordinatorParts;
  readonly #counts = new OperationCounts();
  #running = false;

  constructor(options: CoordinatorOptions) {
    const access = new CopiesAccess(options.access, (domain) => options.quotas?.get(domain));
    this.#options = { ...options, access };
    this.#parts = buildParts(this.#options);
  }

  async start(): Promise<void> {
    if (this.#running) return;
    const { layouts, nodes, condemned, holds, background, book } = this.#parts;
    await holds.load();
    await layouts.load();
    await nodes.load();
    await condemned.load();
    await book.load();
    await this.#loadUploads();
    await background.load();
    await this.#parts.copies?.load();
    this.#running = true;
    this.#parts.voider.start();
    background.start();
  }

  async stop(): Promise<void> {
    this.#running = false;
    const { background, smallFiles, nodes } = this.#parts;
    this.#parts.voider.stop();
    nodes.stop();
    this.#parts.copies?.stop();
    await background.stop();
    await smallFiles.settle();
  }

  /** Every link that was accepted; those of people are left alone. */
  attach(link: Link): void {
    this.#parts.nodes.attach(link);
  }

  handlers(): LinkHandlers {
    return {
      onRequest: (request) => this.#answer(request),
      onStream: (stream) =>
        resetWith(stream, new MeshError("MESH_FORBIDDEN", { message: "no such stream here" })),
    };
  }

  /** A method as over a link, for callers in the process. Throws `MeshError`. */
  async call(
    principal: Principal,
    method: string,
    header: object,
    body: Uint8Array = new Uint8Array(0),
    options: CallOptions = {},
  ): Promise<{ header: object; body: Uint8Array }> {
    const caller = { principal, holder: options.holder ?? principal.nodeId, peer: undefined };
    const answer = await this.#dispatch(caller, method, header, body);
    return { header: answer.header, body: answer.body ?? new Uint8Array(0) };
  }

  /** Whether a chunk can be written and read back; see `chunk-probe.ts`. */
  probeChunk(links: NodeLinks, signal: AbortSignal): Promise<ChunkProbeAnswer> {
    if (!this.#running) throw new MeshError("MESH_STOPPING");
    return this.#parts.probe.run(links, signal);
  }

  nodes(): readonly NodeInfo[] {
    return this.#parts.nodes.list();
  }

  layout(): Layout {
    return this.#parts.layouts.layout;
  }

  /** A layout of the past. `MESH_NOT_FOUND` when it is no longer kept. */
  layoutVersion(version: number): Promise<Layout> {
    return this.#parts.layouts.version(version);
  }

  /** Takes a node out of the layout; its chunks move to the others. `MESH_NOT_FOUND`. */
  removeNode(nodeIdOrName: string): Promise<NodeInfo> {
    return this.#parts.nodes.remove(nodeIdOrName);
  }

  /** Undefined until the first walk has ended. */
  replicationState(): ReplicationState | undefined {
    return this.#background.walk.state;
  }

  workers(): readonly Worker[] {
    return this.#background.workers;
  }

  /** Background work leaves more room, whoever uses the files, until this is taken back. */
  restrain(on: boolean): void {
    this.#parts.activity.isRestrained = on;
  }

  operations(): Record<string, number> {
    return this.#counts.all();
  }

  status(): CoordinatorStatus {
    const { memberId, epoch } = this.#options;
    const { layouts, nodes, open, usage } = this.#parts;
    const { layout, acks } = layouts;
    const known = nodes.list();
    return {
      memberId,
      epoch,
      layoutVersion: layout.version,
      replicas: layout.replicas,
      acksNeeded: acksNeeded(layout, acks),
      zonesAvailable: distinctZones(layout, nodes.onlineStorage()),
      nodes: {
        total: known.length,
        online: known.filter((node) => node.state !== "offline").length,
      },
      replication: this.replicationState(),
      repairQueue: this.#background.queue.length,
      uploadsOpen: open.size,
      totals: usage.totals(),
      copies: this.#parts.copies?.status(),
      workers: this.#background.workers.map((worker) => worker.inspect()),
    };
  }

  get #background(): Background {
    return this.#parts.background;
  }

  async #loadUploads(): Promise<void> {
    const { open } = this.#parts;
    const { store, clock } = this.#options;
    for await (const page of pagesOf(store, "u", { limit: limits.LIST_PAGE_ENTRIES_MAX })) {
      for (const row of page) {
        const { owner, sizeBytes } = decodeJson<UploadRecord>(row.value);
        this.#parts.quotas.grew(fileOfKey(row.key), owner, sizeBytes);
        open.restore(fileOfKey(row.key), owner, row.createRevision, clock.monotonicMs());
      }
    }
  }

  async #answer(request: IncomingRequest): Promise<readonly Uint8Array[]> {
    try {
      const principal = request.peer.identity as Principal | null | undefined;
      if (typeof principal?.spiffeId !== "string") throw new MeshError("MESH_UNAUTHENTICATED");
      const { header, body } = decodeMessage<object>(request.body);
      const caller = { principal, holder: request.peer.nodeId as NodeId, peer: request.peer };
      const answer = await this.#dispatch(caller, request.method, header, body);
      return encodeMessage(answer.header, answer.body);
    } catch (error) {
      throw asWireError(error);
    }
  }

  async #dispatch(
    caller: Caller,
    method: string,
    header: object,
    body: Uint8Array,
  ): Promise<Answer> {
    const definition = findMethod(this.#parts.methods, method);
    const { clock, log } = this.#options;
    const startedMs = clock.monotonicMs();
    try {
      checkPolicy(definition.policy, caller);
      if (!this.#running) throw new MeshError("MESH_STOPPING");
      this.#options.requireLeading?.();
      const access = new Access(this.#options.access, caller.principal);
      const fields = new Fields(method, header);
      this.#parts.activity.note(method);
      const answer = await definition.serve({ ...caller, access, fields, body });
      this.#counts.add(method, false);
      const durationMs = clock.monotonicMs() - startedMs;
      log.debug("a call was answered", { method, nodeId: caller.holder, durationMs });
      return answer;
    } catch (error) {
      this.#counts.add(method, true);
      this.#logUnexpected(method, error);
      throw error;
    }
  }

  #logUnexpected(method: string, error: unknown): void {
    if (isMeshError(error)) return;
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#options.log.error("a request failed inside the coordinator", { method, reason });
  }
}

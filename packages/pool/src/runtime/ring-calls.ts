/** What the leader of a ring tells its members, itself included, about one epoch. */
import { errorFields, fromWireError, MeshError, type NodeId } from "@hearthmesh/core";
import type { ModelRecord } from "../models/model-library.js";
import {
  decodeProgress,
  encodeJoin,
  encodePrepare,
  encodeRingName,
  endpointsOf,
  METHODS,
  type PrepareMessage,
  type RingName,
} from "./agent-messages.js";
import { parseRecord } from "./checked-json.js";
import { deadline } from "./deadline.js";
import {
  AGENT_BODY_BYTES_MAX,
  JOIN_MS_MAX,
  PREPARE_MS_MAX,
  PREPARE_SILENT_MS,
  RELEASE_MS_MAX,
} from "./limits.js";
import type { AgentPorts } from "./ports.js";
import { type PrepareProgress, watchPreparation } from "./preparation.js";
import type { RingHost } from "./ring-host.js";
import type { EpochPlan } from "./ring-machine.js";

const NO_ANSWER: readonly string[] = ["MESH_UNREACHABLE", "MESH_TIMEOUT", "MESH_CANCELLED"];

export interface RingCallsOptions {
  readonly ringId: string;
  readonly model: Pick<ModelRecord, "id" | "sizeBytes">;
  readonly ports: Pick<AgentPorts, "self" | "links" | "clock" | "log">;
  readonly host: Pick<RingHost, "prepare" | "progress" | "join" | "release">;
}

export class RingCalls {
  readonly #options: RingCallsOptions;

  constructor(options: RingCallsOptions) {
    this.#options = options;
  }

  /**
   * Where the tensor plane of the member will be. `MESH_TIMEOUT` when it says nothing for too long,
   * or does not get on.
   */
  async prepare(plan: EpochPlan, nodeId: NodeId, signal: AbortSignal): Promise<readonly string[]> {
    const { ports, ringId, model } = this.#options;
    const { epoch, contextTokens, members } = plan;
    const member = members.find((one) => one.nodeId === nodeId);
    const message: PrepareMessage = {
      ...{ ringId, epoch, contextTokens, modelId: model.id, leader: ports.self.nodeId },
      memoryBytesMax: member?.memoryBytes ?? 0,
      members: members.map(({ nodeId: id, name, columns }) => ({ nodeId: id, name, columns })),
    };
    const over = new AbortController();
    const both = AbortSignal.any([signal, over.signal]);
    const watch = {
      ...{ name: member?.name ?? nodeId, fileBytes: model.sizeBytes, clock: ports.clock },
      ask: (asking: AbortSignal) => this.#progress(nodeId, { ringId, epoch }, asking),
    };
    try {
      const prepared = this.#prepare(nodeId, message, both);
      return await Promise.race([prepared, watchPreparation(watch, both)]);
    } finally {
      over.abort(new MeshError("MESH_CANCELLED"));
    }
  }

  async #prepare(
    nodeId: NodeId,
    message: PrepareMessage,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const { ports, host } = this.#options;
    if (nodeId === ports.self.nodeId) return host.prepare(nodeId, message, signal);
    const options = { signal, timeoutMs: PREPARE_MS_MAX };
    const body = encodePrepare(message);
    const answer = await ports.links.call(nodeId, METHODS.prepare, body, options);
    return endpointsOf(parseRecord(answer, AGENT_BODY_BYTES_MAX).endpoints);
  }

  /** Undefined: it did not answer. A refusal is an answer, of one who is not further. */
  async #progress(
    nodeId: NodeId,
    ring: RingName,
    signal: AbortSignal,
  ): Promise<PrepareProgress | undefined> {
    const { ports, host } = this.#options;
    try {
      if (nodeId === ports.self.nodeId) return host.progress(nodeId, ring);
      const options = { signal, timeoutMs: PREPARE_SILENT_MS };
      const body = encodeRingName(ring);
      return decodeProgress(await ports.links.call(nodeId, METHODS.progress, body, options));
    } catch (error) {
      if (NO_ANSWER.includes(fromWireError(error).code)) return undefined;
      return { pulledBytes: 0, isPulled: false };
    }
  }

  /** Resolves when the member has loaded its shard and joined the others. */
  async join(
    plan: EpochPlan,
    nodeId: NodeId,
    all: ReadonlyMap<NodeId, readonly string[]>,
    signal: AbortSignal,
  ): Promise<void> {
    const { ports, host, ringId } = this.#options;
    const endpoints = plan.members.map((member) => all.get(member.nodeId) ?? []);
    const message = { ringId, epoch: plan.epoch, endpoints };
    if (nodeId === ports.self.nodeId) return host.join(nodeId, message, signal);
    const options = { signal, timeoutMs: JOIN_MS_MAX };
    await ports.links.call(nodeId, METHODS.join, encodeJoin(message), options);
  }

  /** Never throws: a member that does not hear it lets go by itself when the ring is gone. */
  async release(nodeId: NodeId, epoch: number): Promise<void> {
    const { ports, host, ringId } = this.#options;
    const { signal, cancel } = deadline(ports.clock, RELEASE_MS_MAX);
    try {
      if (nodeId === ports.self.nodeId) return await host.release(nodeId, { ringId, epoch });
      const options = { signal, timeoutMs: RELEASE_MS_MAX };
      await ports.links.call(nodeId, METHODS.release, encodeRingName({ ringId, epoch }), options);
    } catch (error) {
      ports.log.debug("a member was not told to let go", { nodeId, ...errorFields(error) });
    } finally {
      cancel();
    }
  }
}

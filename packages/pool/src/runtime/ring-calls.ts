/** What the leader of a ring tells its members, itself included, about one epoch. */
import { errorFields, type NodeId } from "@hearthmesh/core";
import {
  encodeJoin,
  encodePrepare,
  encodeRelease,
  endpointsOf,
  METHODS,
} from "./agent-messages.js";
import { parseRecord } from "./checked-json.js";
import { AGENT_BODY_BYTES_MAX, JOIN_MS_MAX, PREPARE_MS_MAX, RELEASE_MS_MAX } from "./limits.js";
import type { AgentPorts } from "./ports.js";
import type { RingHost } from "./ring-host.js";
import type { EpochPlan } from "./ring-machine.js";

export interface RingCallsOptions {
  readonly ringId: string;
  readonly modelId: string;
  readonly ports: Pick<AgentPorts, "self" | "links" | "log">;
  readonly host: RingHost;
}

export class RingCalls {
  readonly #options: RingCallsOptions;

  constructor(options: RingCallsOptions) {
    this.#options = options;
  }

  /** Where the tensor plane of the member will be. */
  async prepare(plan: EpochPlan, nodeId: NodeId, signal: AbortSignal): Promise<readonly string[]> {
    const { ports, host, ringId, modelId } = this.#options;
    const { epoch, contextTokens, members } = plan;
    const leader = ports.self.nodeId;
    const message = {
      ...{ ringId, epoch, contextTokens, modelId, leader },
      memoryBytesMax: members.find((one) => one.nodeId === nodeId)?.memoryBytes ?? 0,
      members: members.map(({ nodeId: id, name, columns }) => ({ nodeId: id, name, columns })),
    };
    if (nodeId === leader) return host.prepare(leader, message, signal);
    const options = { signal, timeoutMs: PREPARE_MS_MAX };
    const body = encodePrepare(message);
    const answer = await ports.links.call(nodeId, METHODS.prepare, body, options);
    return endpointsOf(parseRecord(answer, AGENT_BODY_BYTES_MAX).endpoints);
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
    try {
      if (nodeId === ports.self.nodeId) return await host.release(nodeId, { ringId, epoch });
      const options = { signal: AbortSignal.timeout(RELEASE_MS_MAX), timeoutMs: RELEASE_MS_MAX };
      await ports.links.call(nodeId, METHODS.release, encodeRelease({ ringId, epoch }), options);
    } catch (error) {
      ports.log.debug("a member was not told to let go", { nodeId, ...errorFields(error) });
    }
  }
}

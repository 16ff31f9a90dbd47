/** The rings that this node leads, by their ids, and the room that they take. */
import { MeshError, type NodeId } from "@hearthmesh/core";
import type { ModelRecord } from "../models/model-library.js";
import type { RingFailure } from "../ring/ring-worker.js";
import type { LedRing, PrepareMessage } from "./agent-messages.js";
import { EpochBook } from "./epoch-book.js";
import type { Placement } from "./inference-service.js";
import { RINGS_MAX } from "./limits.js";
import { MemberFaults } from "./member-faults.js";
import type { ModelPlanner } from "./model-planner.js";
import type { AgentPorts } from "./ports.js";
import { mayUse, ringIdOf } from "./ring-finder.js";
import { keyOf, type RingHost } from "./ring-host.js";
import type { LoadedRing } from "./ring-inspection.js";
import { RingLeader } from "./ring-leader.js";
import type { RingState } from "./ring-machine.js";

export interface RingRegistryOptions {
  readonly ports: AgentPorts;
  readonly host: () => RingHost;
  readonly planner: () => ModelPlanner;
  /** Of the ring of this id; `key` is that of its engine on this node. */
  onState(key: string, state: RingState): void;
}

interface Led {
  readonly leader: RingLeader;
  readonly model: ModelRecord;
}

export class RingRegistry {
  readonly #options: RingRegistryOptions;
  readonly faults: MemberFaults;
  readonly #epochs: EpochBook;
  readonly #leaders = new Map<string, Led>();
  #isClosed = false;

  constructor(options: RingRegistryOptions) {
    this.#options = options;
    this.#epochs = new EpochBook(options.ports.records);
    this.faults = new MemberFaults(options.ports.clock);
  }

  all(): readonly Led[] {
    return [...this.#leaders.values()];
  }

  byId(): readonly (readonly [string, Led])[] {
    return [...this.#leaders];
  }

  /** Those that are loaded or on their way. */
  views(): (LedRing & LoadedRing)[] {
    return this.all().flatMap(({ leader, model }) => {
      const [view, plan] = [leader.view(), leader.plan];
      if (view === undefined || plan === undefined) return [];
      const members = plan.members.map((member) => ({ ...member }));
      return [{ ...view, model: model.name, state: leader.state.kind, members }];
    });
  }

  /** A model that requests run for now, so that no list has to be asked in between. */
  knownModel(nameOrId: string): ModelRecord | undefined {
    const busy = this.all().filter(({ leader }) => leader.running > 0);
    return busy.find(({ model }) => model.name === nameOrId || model.id === nameOrId)?.model;
  }

  /** A ring of this node that is loaded or on its way and that the request may use. */
  loaded(
    model: ModelRecord,
    allowed: readonly NodeId[] | undefined,
    placement: Placement | undefined,
  ): RingLeader | undefined {
    for (const { leader, model: own } of this.#leaders.values()) {
      const { plan } = leader;
      if (own.id !== model.id || plan === undefined) continue;
      if (placement === undefined ? leader.only !== undefined : plan.placement !== placement) {
        continue;
      }
      const nodeIds = plan.members.map(({ nodeId }) => nodeId);
      if (mayUse(nodeIds, allowed)) return leader;
    }
    return undefined;
  }

  /** The leader of the ring for such requests; a new one when there is none. `MESH_LIMIT`. */
  leaderFor(
    model: ModelRecord,
    allowed: readonly NodeId[] | undefined,
    only: Placement | undefined,
  ): RingLeader {
    if (this.#isClosed) throw new MeshError("MESH_STOPPING");
    const { ports, host, planner, onState } = this.#options;
    const ringId = ringIdOf(ports.self.nodeId, model.id, allowed, only);
    const present = this.#leaders.get(ringId);
    if (present !== undefined) return present.leader;
    for (const [id, { leader }] of this.#leaders) {
      if (this.#leaders.size < RINGS_MAX) break;
      if (leader.running > 0) continue;
      leader.release();
      this.#leaders.delete(id);
    }
    if (this.#leaders.size >= RINGS_MAX) {
      throw new MeshError("MESH_LIMIT", { message: `this node leads ${RINGS_MAX} rings already` });
    }
    const leader = new RingLeader({
      ...{ ringId, model, allowed, only, ports, host: host(), planner: planner() },
      epochs: this.#epochs,
      faults: this.faults,
      onState: (state) => onState(keyOf(ports.self.nodeId, ringId), state),
    });
    this.#leaders.set(ringId, { leader, model });
    return leader;
  }

  /** Two nodes that plan a ring of one model at the same time: the lower id leads. */
  refuse({ modelId, leader, members }: PrepareMessage): void {
    if (members.length < 2) return;
    const { self } = this.#options.ports;
    for (const own of this.#leaders.values()) {
      const { plan } = own.leader;
      if (own.model.id !== modelId || plan === undefined || plan.members.length < 2) continue;
      const isReady = own.leader.state.kind === "ready";
      if (!isReady && leader < self.nodeId) continue;
      throw new MeshError("MESH_RING_NOT_READY", {
        message: `${self.name} leads a ring of this model already`,
        details: { leader: self.nodeId },
      });
    }
  }

  /** Undefined: this node leads no such ring. */
  leader(ringId: string): RingLeader | undefined {
    return this.#leaders.get(ringId)?.leader;
  }

  /** A worker says so; see `RingHostOptions.onFailure`. */
  onFailure(ringId: string, failure: RingFailure): void {
    this.#leaders.get(ringId)?.leader.memberFailed(failure);
  }

  /** Lets rings at rest go until so many bytes are free. */
  async makeRoom(bytes: number, exceptRingId: string): Promise<void> {
    let freed = 0;
    for (const [ringId, { leader }] of this.#leaders) {
      if (freed >= bytes) return;
      if (ringId === exceptRingId || leader.running > 0) continue;
      freed += this.#options.host().bytesOf((ring) => ring.ringId === ringId);
      await leader.unload();
    }
  }

  /** Bytes that rings at rest hold, and the one that is planned anew. */
  releasableBytes(ringId: string | undefined): number {
    return this.#options.host().bytesOf((ring) => {
      if (ring.ringId === ringId) return true;
      return this.#leaders.get(ring.ringId)?.leader.running === 0;
    });
  }

  membersChanged(): void {
    for (const { leader } of this.all()) leader.membersChanged();
  }

  close(): void {
    this.#isClosed = true;
    for (const { leader } of this.all()) leader.release();
  }
}

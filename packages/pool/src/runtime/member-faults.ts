/**
 * Which members are left out of plans for a while, because of what they did in a ring. Pure but for
 * the clock. A member that sent something wrong, fell silent or refused its part is left out for a
 * minute, and for twice as long each time after; one that was only lost, as by a crash, is welcome
 * as soon as it is there again. What a third one says of it does not count.
 */
import type { Clock, MeshError, NodeId } from "@hearthmesh/core";
import { FAULT_FORGOTTEN_MS, FAULT_MS_MAX, FAULT_MS_MIN, FAULTY_MEMBERS_MAX } from "./limits.js";

interface Fault {
  readonly count: number;
  readonly untilMs: number;
  /** It sent what no honest member sends: a plan is rather not made than with it. */
  readonly isWrong: boolean;
}

const WRONG: readonly string[] = ["MESH_RING_FRAME_INVALID", "MESH_RING_DIVERGED", "MESH_PROTOCOL"];
/** Nobody's fault: the other side is away, ends, or knows a later plan. */
const BLAMELESS: readonly string[] = [
  ...["MESH_UNREACHABLE", "MESH_STOPPING", "MESH_CANCELLED", "MESH_EPOCH_OLD"],
  "MESH_ENGINE_FAILED",
];

export class MemberFaults {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #faults = new Map<NodeId, Fault>();

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  take(nodeId: NodeId, { code, details }: MeshError): void {
    const isWrong = WRONG.includes(code);
    // A connection that ended is a loss; one that stays open and silent is not.
    const isLoss = code === "MESH_RING_BROKEN" && details?.waitedMs === undefined;
    if (details?.reportedBy !== undefined || BLAMELESS.includes(code) || isLoss) return;
    const atMs = this.#clock.monotonicMs();
    const before = this.#faults.get(nodeId);
    const isForgotten = before === undefined || atMs - before.untilMs > FAULT_FORGOTTEN_MS;
    const count = isForgotten ? 1 : before.count + 1;
    const durationMs = Math.min(FAULT_MS_MAX, FAULT_MS_MIN * 2 ** (count - 1));
    this.#faults.delete(nodeId);
    this.#faults.set(nodeId, { count, untilMs: atMs + durationMs, isWrong });
    for (const oldest of this.#faults.keys()) {
      if (this.#faults.size <= FAULTY_MEMBERS_MAX) break;
      this.#faults.delete(oldest);
    }
  }

  isOut(nodeId: NodeId): boolean {
    return this.#isPresent(this.#faults.get(nodeId));
  }

  /** All that are left out now; `wrongOnly`: those that a plan must not have whatever it costs. */
  out(wrongOnly = false): readonly NodeId[] {
    return [...this.#faults].flatMap(([nodeId, fault]) =>
      this.#isPresent(fault) && (fault.isWrong || !wrongOnly) ? [nodeId] : [],
    );
  }

  #isPresent(fault: Fault | undefined): boolean {
    return fault !== undefined && this.#clock.monotonicMs() < fault.untilMs;
  }
}

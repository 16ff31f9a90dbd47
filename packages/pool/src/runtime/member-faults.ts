/**
 * Which members are left out of plans for a while, because of what they did in a ring. Pure but for
 * the clock. A member that sent something wrong, fell silent or refused its part is left out for a
 * minute, and for twice as long each time after; one that was only lost, as by a crash, is welcome
 * as soon as it is there again. What another one says of it is believed for a minute and never held
 * against it longer; whoever speaks so of two is more likely wrong itself.
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

/** Of notices: what is not said of a member that left or crashed. */
const ACCUSATIONS: readonly unknown[] = ["slow", "invalid", "diverged"];

export class MemberFaults {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #faults = new Map<NodeId, Fault>();
  /** Whom a member accused last, and until when that counts. */
  readonly #accused = new Map<NodeId, { readonly of: NodeId; readonly untilMs: number }>();

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  take(nodeId: NodeId, error: MeshError): void {
    const { code, details } = error;
    if (details?.reportedBy !== undefined) {
      this.#hear(nodeId, details.reporterId, details.reason);
      return;
    }
    // A connection that ended is a loss; one that stays open and silent is not.
    const isLoss = code === "MESH_RING_BROKEN" && details?.waitedMs === undefined;
    if (!BLAMELESS.includes(code) && !isLoss) this.#strike(nodeId, WRONG.includes(code));
  }

  #hear(nodeId: NodeId, reporter: unknown, reason: unknown): void {
    if (!ACCUSATIONS.includes(reason)) return;
    const nowMs = this.#clock.monotonicMs();
    const untilMs = nowMs + FAULT_MS_MIN;
    const by = typeof reporter === "string" ? (reporter as NodeId) : nodeId;
    const before = this.#accused.get(by);
    const isSecond = before !== undefined && nowMs < before.untilMs && before.of !== nodeId;
    put(this.#accused, by, { of: nodeId, untilMs });
    if (isSecond) this.#strike(by, true);
    if (this.isOut(nodeId)) return;
    const count = this.#faults.get(nodeId)?.count ?? 0;
    put(this.#faults, nodeId, { count, untilMs, isWrong: false });
  }

  #strike(nodeId: NodeId, isWrong: boolean): void {
    const nowMs = this.#clock.monotonicMs();
    const before = this.#faults.get(nodeId);
    const isForgotten = before === undefined || nowMs - before.untilMs > FAULT_FORGOTTEN_MS;
    const count = isForgotten ? 1 : before.count + 1;
    const durationMs = Math.min(FAULT_MS_MAX, FAULT_MS_MIN * 2 ** (count - 1));
    put(this.#faults, nodeId, { count, untilMs: nowMs + durationMs, isWrong });
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

/** As the newest of so many. */
function put<Value>(book: Map<NodeId, Value>, nodeId: NodeId, value: Value): void {
  book.delete(nodeId);
  book.set(nodeId, value);
  for (const oldest of book.keys()) {
    if (book.size <= FAULTY_MEMBERS_MAX) return;
    book.delete(oldest);
  }
}

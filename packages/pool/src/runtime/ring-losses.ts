/**
 * What a ring lost and how it got over it by itself, for whoever watches over it: the plan without
 * a member is often there before anybody else has noticed that one is away.
 */
import type { Clock, NodeId } from "@hearthmesh/core";
import type { RingEvent, RingState } from "./ring-machine.js";

export interface RingLoss {
  /** Of the members, the one that failed first at the front. */
  readonly names: readonly string[];
  /** How the first one failed, as a sentence. */
  readonly reason: string;
  /** Of the plan that it was part of. */
  readonly epoch: number;
  /** From then until the ring served again; undefined: it is at it. */
  readonly tookMs: number | undefined;
}

export class RingLosses {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #self: NodeId;
  #last: RingLoss | undefined;
  #atMs = 0;

  constructor(clock: Pick<Clock, "monotonicMs">, self: NodeId) {
    this.#clock = clock;
    this.#self = self;
  }

  /** Of the plan that holds, or is being made; undefined: it came about in another way. */
  get last(): RingLoss | undefined {
    return this.#last;
  }

  /** One step of the ring's machine. */
  follow(before: RingState, event: RingEvent, after: RingState): void {
    if (after.kind === "idle" || after.kind === "broken") this.#last = undefined;
    else if (before.kind === "ready" && after.kind === "placing") this.#last = undefined;
    if (event.kind === "failed" && after.kind === "placing") this.#take(before, event);
    if (before.kind === "ready" || after.kind !== "ready" || this.#last === undefined) return;
    this.#last = { ...this.#last, tookMs: this.#clock.monotonicMs() - this.#atMs };
  }

  #take(before: RingState, { nodeId, error }: Extract<RingEvent, { kind: "failed" }>): void {
    const plan = "plan" in before ? before.plan : undefined;
    const member = plan?.members.find((one) => one.nodeId === nodeId);
    if (plan === undefined || member === undefined || nodeId === this.#self) return;
    const { name } = member;
    if (this.#last !== undefined) {
      this.#last = { ...this.#last, names: [...new Set([...this.#last.names, name])] };
    } else if (before.kind === "ready") {
      this.#atMs = this.#clock.monotonicMs();
      const { epoch } = plan;
      this.#last = { names: [name], reason: error.message, epoch, tookMs: undefined };
    }
  }
}

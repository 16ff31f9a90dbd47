/**
 * Ends uploads and downloads over HTTP whose right is gone while they run. The storage nodes see
 * the gateway's own key, so they cannot tell whose transfer it is: the gateway judges its callers
 * anew whenever somebody's rights change, and when a right comes to its end.
 *
 * Paths of peers (`/@bob/...`) are judged by the peer.
 */
import type { AccessChange } from "@hearthmesh/collective";
import { type Clock, MeshError } from "@hearthmesh/core";
import { isGrantPath, type Principal } from "@hearthmesh/identity";
import { toMeshError } from "../server/problem.js";
import type { GatewayServices } from "../services.js";

/** Timers longer than this are set again when they are due. */
const TIMER_MS_MAX = 3_600_000;

export interface TransferTerms {
  readonly principal: Principal;
  readonly path: string;
  readonly right: "read" | "write";
  /** Of the request. */
  readonly signal: AbortSignal;
}

export interface GuardedTransfer {
  /** Aborted with the request, or with the error that ends the transfer. */
  readonly signal: AbortSignal;
  /** To be called when the transfer is over. */
  end(): void;
}

export class TransferGuard {
  readonly #authority: Pick<
    GatewayServices["authority"],
    "authorize" | "rightEndsAtMs" | "onAccessChanged"
  >;
  readonly #clock: Clock;
  readonly #running = new Set<Running>();
  #unsubscribe: () => void = () => undefined;

  constructor({ authority, clock }: Pick<GatewayServices, "authority" | "clock">) {
    this.#authority = authority;
    this.#clock = clock;
  }

  /**
   * Whether the transfer may begin is for the coordinator to say: one that may not is not guarded,
   * and neither is one of the operator.
   */
  begin(terms: TransferTerms): GuardedTransfer {
    const { principal, signal } = terms;
    const path = terms.path.length > 1 ? terms.path.replace(/\/$/, "") : terms.path;
    const isOurs = isGrantPath(path) && !path.startsWith("/@");
    if (principal.kind === "coordinator" || !isOurs || this.#refusal({ ...terms, path })) {
      return { signal, end: () => undefined };
    }
    const running = new Running({ ...terms, path });
    if (this.#running.size === 0) {
      this.#unsubscribe = this.#authority.onAccessChanged((change) => this.#onChange(change));
    }
    this.#running.add(running);
    this.#watchEnd(running);
    return { signal: running.signal, end: () => this.#end(running) };
  }

  /** Transfers that are guarded now. */
  get size(): number {
    return this.#running.size;
  }

  #onChange(change: AccessChange): void {
    for (const running of this.#running) {
      if (change.concerns(running.terms.principal)) this.#judge(running);
    }
  }

  #judge(running: Running): void {
    const refusal = this.#refusal(running.terms);
    if (refusal === undefined) {
      this.#watchEnd(running);
    } else {
      this.#end(running);
      running.cut(refusal);
    }
  }

  #refusal({ principal, path, right }: TransferTerms): MeshError | undefined {
    try {
      this.#authority.authorize(principal, path, right);
      return undefined;
    } catch (error) {
      return toMeshError(error);
    }
  }

  #watchEnd(running: Running): void {
    const { principal, path, right } = running.terms;
    const endMs = this.#authority.rightEndsAtMs(principal, path, right);
    running.timer?.cancel();
    if (endMs === undefined) return;
    const delayMs = Math.min(Math.max(0, endMs - this.#clock.nowMs()) + 1, TIMER_MS_MAX);
    running.timer = this.#clock.setTimeout(() => this.#judge(running), delayMs);
  }

  #end(running: Running): void {
    running.timer?.cancel();
    this.#running.delete(running);
    if (this.#running.size === 0) this.#unsubscribe();
  }
}

class Running {
  readonly terms: TransferTerms;
  readonly #cut = new AbortController();
  readonly signal: AbortSignal;
  timer: ReturnType<Clock["setTimeout"]> | undefined;

  constructor(terms: TransferTerms) {
    this.terms = terms;
    this.signal = AbortSignal.any([terms.signal, this.#cut.signal]);
  }

  cut(refusal: MeshError): void {
    this.#cut.abort(
      new MeshError(refusal.code, {
        message: `the transfer was cut: ${refusal.message}`,
        cause: refusal,
      }),
    );
  }
}

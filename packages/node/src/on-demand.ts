/**
 * Something that is opened with the first question and shared by all later ones. A failure is told
 * to whoever waits and then forgotten: what was in the way may be gone. The next question opens it
 * again, but not sooner than after a pause, in which the same failure is told.
 */
import { MeshError } from "@hearthmesh/core";

/** After a failure, until it is tried again. */
export const REOPEN_PAUSE_MS = 1_000;

export interface OnDemandOptions<Opened> {
  open(): Promise<Opened>;
  /** Of a monotonic clock. */
  nowMs(): number;
}

export class OnDemand<Opened> {
  readonly #options: OnDemandOptions<Opened>;
  #opening: Promise<Opened> | undefined;
  #opened: Opened | undefined;
  #failure: { readonly error: unknown; readonly untilMs: number } | undefined;
  #isStopped = false;

  constructor(options: OnDemandOptions<Opened>) {
    this.#options = options;
  }

  /** Undefined: nobody has asked yet, or it is not there yet. */
  get opened(): Opened | undefined {
    return this.#opened;
  }

  /** `MESH_STOPPING`, and what opening throws. */
  async get(): Promise<Opened> {
    if (this.#isStopped) throw new MeshError("MESH_STOPPING");
    if (this.#opening === undefined) {
      const failure = this.#failure;
      if (failure !== undefined && this.#options.nowMs() < failure.untilMs) throw failure.error;
      this.#opening = this.#open();
    }
    return this.#opening;
  }

  start(): void {
    this.#isStopped = false;
  }

  /** Answers what is to be closed, after it has been opened. */
  async stop(): Promise<Opened | undefined> {
    this.#isStopped = true;
    const opening = this.#opening;
    const opened = await opening?.catch(() => undefined);
    this.#opening = undefined;
    this.#opened = undefined;
    this.#failure = undefined;
    return opened;
  }

  async #open(): Promise<Opened> {
    try {
      const opened = await this.#options.open();
      this.#opened = opened;
      return opened;
    } catch (error) {
      this.#opening = undefined;
      this.#failure = { error, untilMs: this.#options.nowMs() + REOPEN_PAUSE_MS };
      throw error;
    }
  }
}

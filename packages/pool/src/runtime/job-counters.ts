/** Counters of the requests that this node took, since it started. */
import type { GenerationEvent } from "../ring/generation.js";

export class JobCounters {
  #completed = 0;
  #failed = 0;
  #running = 0;
  #waiting = 0;
  #tokens = 0;
  #promptTokens = 0;
  #decodeMs = 0;
  #decodedTokens = 0;

  get counts() {
    return {
      jobsCompleted: this.#completed,
      jobsFailed: this.#failed,
      jobsRunning: this.#running,
      jobsWaiting: this.#waiting,
      tokensGenerated: this.#tokens,
      promptTokens: this.#promptTokens,
      tokensPerSecond:
        this.#decodeMs > 0 ? (this.#decodedTokens / this.#decodeMs) * 1000 : undefined,
    };
  }

  /** Of one request, from its arrival: what to call when it starts, tells and ends. */
  begin() {
    this.#waiting++;
    let phase: "waiting" | "running" | "over" = "waiting";
    const leave = () => {
      if (phase === "waiting") this.#waiting--;
      if (phase === "running") this.#running--;
    };
    return {
      take: (event: GenerationEvent) => {
        if (phase === "waiting") {
          leave();
          phase = "running";
          this.#running++;
        }
        if (event.kind === "done") this.#finished(event);
      },
      /** A request that was cancelled is neither completed nor failed. */
      end: (outcome: "completed" | "failed" | "cancelled") => {
        if (phase === "over") return;
        leave();
        phase = "over";
        if (outcome === "completed") this.#completed++;
        if (outcome === "failed") this.#failed++;
      },
    };
  }

  #finished(event: Extract<GenerationEvent, { kind: "done" }>): void {
    this.#tokens += event.completionTokens;
    this.#promptTokens += event.promptTokens;
    if (event.completionTokens < 2 || event.timings.decodeMs <= 0) return;
    this.#decodeMs += event.timings.decodeMs;
    // The first token comes out of the prompt.
    this.#decodedTokens += event.completionTokens - 1;
  }
}

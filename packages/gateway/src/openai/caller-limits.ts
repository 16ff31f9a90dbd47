/**
 * What each caller has used of the models: requests at a time, requests in a minute, tokens in a
 * day. Windows are fixed and begin with the first request in them, as those of wrong keys do. The
 * operator and nodes have no limits, but are counted. No I/O; the clock is handed in.
 *
 * A request is let in while tokens are left, and its answer ends with the last of them: callers
 * with several requests at a time can go over their day by as many answers.
 */
import { type Clock, MeshError } from "@hearthmesh/core";
import {
  AI_CALLERS_COUNTED_MAX,
  AI_KEY_REQUESTS_AT_ONCE_DEFAULT,
  AI_KEY_REQUESTS_PER_MINUTE_DEFAULT,
  AI_KEY_TOKENS_PER_DAY_DEFAULT,
  AI_REQUESTS_AT_ONCE_MAX,
} from "./limits.js";

export interface AiCaller {
  /** `key/<id>`, or a SPIFFE id. */
  readonly id: string;
  /** Undefined: without limits. */
  readonly limits: AiLimits | undefined;
}

export interface AiLimits {
  readonly requestsAtOnce: number;
  readonly requestsPerMinute: number;
  readonly tokensPerDay: number;
}

/** A place among the requests under way. */
export interface AiLease {
  /** Tokens that the answer may have; undefined without a limit. */
  readonly tokensLeft: number | undefined;
  /** Gives the place back and counts what was used; a second call does nothing. */
  end(tokens: number): void;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

interface Use {
  atOnce: number;
  minuteBeganMs: number;
  requests: number;
  dayBeganMs: number;
  tokens: number;
}

/** With what every key gets for what it does not say. */
export function limitsOfKey(ai: Partial<AiLimits> | undefined): AiLimits {
  return {
    requestsAtOnce: ai?.requestsAtOnce ?? AI_KEY_REQUESTS_AT_ONCE_DEFAULT,
    requestsPerMinute: ai?.requestsPerMinute ?? AI_KEY_REQUESTS_PER_MINUTE_DEFAULT,
    tokensPerDay: ai?.tokensPerDay ?? AI_KEY_TOKENS_PER_DAY_DEFAULT,
  };
}

export class CallerLimits {
  readonly #clock: Pick<Clock, "monotonicMs">;
  /** The one that asked last is last. */
  readonly #uses = new Map<string, Use>();
  #atOnce = 0;

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  get requestsUnderWay(): number {
    return this.#atOnce;
  }

  /** Counts a request. `MESH_LIMIT` with `retryAfterMs`. */
  countRequest(caller: AiCaller): void {
    const nowMs = this.#clock.monotonicMs();
    const use = this.#use(caller, nowMs);
    const { limits } = caller;
    if (limits !== undefined && use.requests >= limits.requestsPerMinute) {
      const retryAfterMs = use.minuteBeganMs + MINUTE_MS - nowMs;
      throw full(`${limits.requestsPerMinute} requests in a minute`, retryAfterMs);
    }
    if (limits !== undefined && use.tokens >= limits.tokensPerDay) {
      const retryAfterMs = use.dayBeganMs + DAY_MS - nowMs;
      throw full(`${limits.tokensPerDay} tokens in 24 hours`, retryAfterMs);
    }
    use.requests++;
  }

  /** Takes a place for an answer. `MESH_LIMIT`. */
  enter(caller: AiCaller): AiLease {
    const { limits } = caller;
    const use = this.#use(caller, this.#clock.monotonicMs());
    if (limits !== undefined && use.atOnce >= limits.requestsAtOnce) {
      throw full(`${limits.requestsAtOnce} requests at a time`, 1_000);
    }
    if (this.#atOnce >= AI_REQUESTS_AT_ONCE_MAX) {
      throw new MeshError("MESH_LIMIT", {
        message: `this node answers ${AI_REQUESTS_AT_ONCE_MAX} requests to models already`,
        details: { retryAfterMs: 1_000 },
      });
    }
    use.atOnce++;
    this.#atOnce++;
    let isOver = false;
    return {
      tokensLeft: limits === undefined ? undefined : Math.max(1, limits.tokensPerDay - use.tokens),
      end: (tokens) => {
        if (isOver) return;
        isOver = true;
        use.atOnce--;
        use.tokens += tokens;
        this.#atOnce--;
      },
    };
  }

  /** `x-ratelimit-*` as OpenAI's API has them; none for a caller without limits. */
  headers(caller: AiCaller): Record<string, string> {
    const { limits } = caller;
    if (limits === undefined) return {};
    const nowMs = this.#clock.monotonicMs();
    const use = this.#use(caller, nowMs);
    const left = (limit: number, used: number) => String(Math.max(0, limit - used));
    return {
      "x-ratelimit-limit-requests": String(limits.requestsPerMinute),
      "x-ratelimit-remaining-requests": left(limits.requestsPerMinute, use.requests),
      "x-ratelimit-reset-requests": seconds(use.minuteBeganMs + MINUTE_MS - nowMs),
      "x-ratelimit-limit-tokens": String(limits.tokensPerDay),
      "x-ratelimit-remaining-tokens": left(limits.tokensPerDay, use.tokens),
      "x-ratelimit-reset-tokens": seconds(use.dayBeganMs + DAY_MS - nowMs),
    };
  }

  #use({ id }: AiCaller, nowMs: number): Use {
    const use = this.#uses.get(id) ?? {
      atOnce: 0,
      minuteBeganMs: nowMs,
      requests: 0,
      dayBeganMs: nowMs,
      tokens: 0,
    };
    this.#uses.delete(id);
    this.#uses.set(id, use);
    if (nowMs - use.minuteBeganMs >= MINUTE_MS) {
      use.minuteBeganMs = nowMs;
      use.requests = 0;
    }
    if (nowMs - use.dayBeganMs >= DAY_MS) {
      use.dayBeganMs = nowMs;
      use.tokens = 0;
    }
    this.#forgetOldest();
    return use;
  }

  #forgetOldest(): void {
    if (this.#uses.size <= AI_CALLERS_COUNTED_MAX) return;
    for (const [id, use] of this.#uses) {
      if (use.atOnce > 0) continue;
      this.#uses.delete(id);
      return;
    }
  }
}

function full(what: string, retryAfterMs: number): MeshError {
  return new MeshError("MESH_LIMIT", {
    message: `this API key may use ${what}`,
    hint: "Wait, or ask the operator for a key with other limits: `mesh key create --ai`.",
    details: { retryAfterMs: Math.max(1, Math.ceil(retryAfterMs)) },
  });
}

function seconds(ms: number): string {
  return `${Math.max(0, Math.ceil(ms / 1000))}s`;
}

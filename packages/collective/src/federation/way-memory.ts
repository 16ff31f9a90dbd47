/**
 * Which ways to a peer are tried first. Pure: time comes in as a number.
 *
 * State, for each peer and way: nothing (it is tried in its place), or that it failed: it is tried
 * last until a time that lies further ahead with each failure. Two things are told apart, because
 * one can work without the other: `names` (the peer's coordinator answers) and `bytes` (its storage
 * nodes can be reached too). A way that fails with names fails with bytes; one that fails with
 * bytes is still good for names.
 *
 * Events: `failed`, `worked`. Invariants: every way is in every order, so that nothing is lost by
 * a memory that is out of date; the shortest way is tried again when its pause is over; at most
 * `ENTRIES_MAX` entries are kept.
 */
export type WayUse = "names" | "bytes";

interface Failure {
  readonly untilMs: number;
  readonly count: number;
}

const PAUSE_MS = 10_000;
const PAUSE_MS_MAX = 300_000;
/** Peers times ways times uses, with room; the oldest is forgotten above it. */
const ENTRIES_MAX = 1024;

export class WayMemory {
  readonly #failures = new Map<string, Failure>();

  /** `ways`: shortest first. Those that failed lately come last, the next one due first. */
  order<Way extends { readonly name: string }>(
    peer: string,
    ways: readonly Way[],
    use: WayUse,
    nowMs: number,
  ): Way[] {
    const ranked = ways.map((way) => ({ way, untilMs: this.#pausedUntil(peer, way.name, use) }));
    const rank = (untilMs: number) => (untilMs > nowMs ? untilMs : 0);
    // Sorting keeps the order of those that are equal.
    return ranked.sort((a, b) => rank(a.untilMs) - rank(b.untilMs)).map(({ way }) => way);
  }

  failed(peer: string, way: string, use: WayUse, nowMs: number): void {
    const key = keyOf(peer, way, use);
    const count = (this.#failures.get(key)?.count ?? 0) + 1;
    const pauseMs = Math.min(PAUSE_MS * 2 ** (count - 1), PAUSE_MS_MAX);
    this.#failures.delete(key);
    this.#failures.set(key, { untilMs: nowMs + pauseMs, count });
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > ENTRIES_MAX && oldest !== undefined) this.#failures.delete(oldest);
  }

  worked(peer: string, way: string, use: WayUse): void {
    this.#failures.delete(keyOf(peer, way, "names"));
    if (use === "bytes") this.#failures.delete(keyOf(peer, way, "bytes"));
  }

  #pausedUntil(peer: string, way: string, use: WayUse): number {
    const names = this.#failures.get(keyOf(peer, way, "names"))?.untilMs ?? 0;
    if (use === "names") return names;
    return Math.max(names, this.#failures.get(keyOf(peer, way, "bytes"))?.untilMs ?? 0);
  }
}

function keyOf(peer: string, way: string, use: WayUse): string {
  return `${use}\n${peer}\n${way}`;
}

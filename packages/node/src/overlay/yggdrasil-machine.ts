/**
 * What is known of Yggdrasil's daemon, from what happened to its process and what it answered.
 * Pure.
 *
 *     stopped --started--> starting --answered--> up --unanswered, 3 in a row--> silent
 *     starting --unanswered for 10 s--> silent --answered--> up
 *     any --ended--> down --started--> starting;  any --stopped--> stopped
 *
 * Invariants: `self` and `peers` are there while it is `up` alone, and `self.key` is then the key
 * that this node gave it: an answer of another daemon is none.
 *
 * Errors: none. What is answered, or not, while nothing was asked changes nothing.
 */
import { OVERLAY_SILENT_LOOKS, OVERLAY_START_MS_MAX } from "./limits.js";
import type { OverlayPeer, OverlayPhase } from "./overlay.js";
import type { YggdrasilSelf } from "./yggdrasil-answers.js";

export interface YggdrasilView {
  readonly phase: OverlayPhase;
  /** Monotonic; when it came into this phase. */
  readonly sinceMs: number;
  readonly self: YggdrasilSelf | undefined;
  readonly peers: readonly OverlayPeer[];
  /** Looks in a row without an answer. */
  readonly unanswered: number;
  /** Why it is not up; undefined while it is, and while it is stopped. */
  readonly reason: string | undefined;
}

export type YggdrasilEvent =
  | { readonly kind: "started" }
  | { readonly kind: "ended"; readonly reason: string }
  | { readonly kind: "stopped" }
  | {
      readonly kind: "answered";
      readonly self: YggdrasilSelf;
      readonly peers: readonly OverlayPeer[];
    }
  | { readonly kind: "unanswered"; readonly reason: string };

export const YGGDRASIL_STOPPED: YggdrasilView = {
  phase: "stopped",
  sinceMs: 0,
  self: undefined,
  peers: [],
  unanswered: 0,
  reason: undefined,
};

export function yggdrasilStep(
  view: YggdrasilView,
  event: YggdrasilEvent,
  { nowMs, ownKey }: { nowMs: number; ownKey: string },
): YggdrasilView {
  const into = (phase: OverlayPhase, reason?: string): YggdrasilView => ({
    ...YGGDRASIL_STOPPED,
    phase,
    sinceMs: phase === view.phase ? view.sinceMs : nowMs,
    reason,
  });
  switch (event.kind) {
    case "started":
      return { ...into("starting"), sinceMs: nowMs };
    case "stopped":
      return into("stopped");
    case "ended":
      return into("down", event.reason);
    case "answered": {
      if (!isLookedAt(view)) return view;
      const { self, peers } = event;
      if (self.key === ownKey) return { ...into("up"), self, peers };
      return missed(view, "another daemon answers at its admin socket", nowMs, into);
    }
    case "unanswered":
      return isLookedAt(view) ? missed(view, event.reason, nowMs, into) : view;
  }
}

/** An answer that comes after the end of its process says nothing any more. */
function isLookedAt({ phase }: YggdrasilView): boolean {
  return phase === "starting" || phase === "up" || phase === "silent";
}

function missed(
  view: YggdrasilView,
  reason: string,
  nowMs: number,
  into: (phase: OverlayPhase, reason: string) => YggdrasilView,
): YggdrasilView {
  const unanswered = view.unanswered + 1;
  const isSilent =
    view.phase === "silent" ||
    (view.phase === "up" && unanswered >= OVERLAY_SILENT_LOOKS) ||
    (view.phase === "starting" && nowMs - view.sinceMs >= OVERLAY_START_MS_MAX);
  return isSilent ? { ...into("silent", reason), unanswered } : { ...view, unanswered };
}

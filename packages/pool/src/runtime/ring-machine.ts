/**
 * The life of one ring at its leader, without I/O: `step(state, event)` answers the next state and
 * what is to be done.
 *
 *     idle -> placing -> preparing -> joining -> ready
 *               ^____________|___________|________|     a member failed: without it, a higher epoch
 *     any -> idle      released                broken <- nothing fits, or too many attempts
 *
 * Events: `wanted` (a request is there), `planned`, `unplannable`, `prepared`, `joined`, `failed`
 * (of a member, in an epoch), `changed` (other members are there now), `asked-anew` (a plan is to
 * be made now, without those who are away), `released`.
 *
 * Invariants, which the tests check over any order of events:
 * - the epoch of a plan is higher than that of every plan before it;
 * - nobody joins before all members of the plan are prepared, and it is ready when all have joined;
 * - what is said about another epoch than the present one changes nothing;
 * - a member that is out is in no later plan until the ring is released or planned anew at rest;
 * - members that the next plan does without are told to release;
 * - a ring that works is given up for a plan alone, never for the lack of one;
 * - a want never waits for nothing: every state but `ready` either has something under way or is
 *   left by the next `wanted`.
 */
import type { MeshError, NodeId } from "@hearthmesh/core";
import type { Span } from "../shards/shard.js";
import type { Placement } from "./inference-service.js";
import { PLACE_ATTEMPTS_MAX } from "./limits.js";

/** What the planner decided, before an epoch was given. */
export interface RingLayout {
  readonly placement: Placement;
  readonly members: readonly {
    readonly nodeId: NodeId;
    readonly name: string;
    readonly columns: Span;
    readonly memoryBytes: number;
  }[];
  readonly contextTokens: number;
}

export interface EpochPlan extends RingLayout {
  readonly epoch: number;
}

export type RingState =
  | { readonly kind: "idle" }
  | Placing
  | (Underway & { readonly kind: "preparing" })
  | (Underway & { readonly kind: "joining" })
  | {
      readonly kind: "ready";
      readonly plan: EpochPlan;
      readonly lost: readonly NodeId[];
      /** Others are there than when it was planned. */
      readonly isStale: boolean;
    }
  | { readonly kind: "broken"; readonly error: MeshError };

interface Placing {
  readonly kind: "placing";
  readonly attempt: number;
  readonly lost: readonly NodeId[];
  /** What is loaded, or was when a member of it failed. */
  readonly previous: EpochPlan | undefined;
  /** Whether `previous` still works and is kept when the new plan is the same. */
  readonly isHealthy: boolean;
}

interface Underway {
  readonly plan: EpochPlan;
  readonly attempt: number;
  readonly lost: readonly NodeId[];
  /** Members of whom an answer is missing. */
  readonly waiting: readonly NodeId[];
  /** Of those who answered. */
  readonly endpoints: ReadonlyMap<NodeId, readonly string[]>;
}

export type RingEvent =
  | { readonly kind: "wanted"; readonly isAtRest: boolean }
  | { readonly kind: "planned"; readonly layout: RingLayout; readonly epoch: number }
  | { readonly kind: "unplannable"; readonly error: MeshError }
  | {
      readonly kind: "prepared";
      readonly epoch: number;
      readonly nodeId: NodeId;
      readonly endpoints: readonly string[];
    }
  | { readonly kind: "joined"; readonly epoch: number; readonly nodeId: NodeId }
  | {
      readonly kind: "failed";
      readonly epoch: number;
      readonly nodeId: NodeId;
      readonly error: MeshError;
      /** `out`: not in the next plan. `again`: it may be. `final`: another plan cannot help. */
      readonly verdict: "out" | "again" | "final";
    }
  | { readonly kind: "changed" }
  | { readonly kind: "asked-anew"; readonly away: readonly NodeId[] }
  | { readonly kind: "released" };

export type RingEffect =
  | { readonly kind: "place"; readonly without: readonly NodeId[]; readonly isFailover: boolean }
  | { readonly kind: "prepare"; readonly plan: EpochPlan }
  | {
      readonly kind: "join";
      readonly plan: EpochPlan;
      readonly endpoints: ReadonlyMap<NodeId, readonly string[]>;
    }
  | { readonly kind: "release"; readonly epoch: number; readonly nodeIds: readonly NodeId[] }
  | { readonly kind: "ready"; readonly plan: EpochPlan }
  | { readonly kind: "broken"; readonly error: MeshError };

export interface RingStep {
  readonly state: RingState;
  readonly effects: readonly RingEffect[];
}

export const IDLE: RingState = { kind: "idle" };

export function step(state: RingState, event: RingEvent): RingStep {
  switch (event.kind) {
    case "wanted":
      return wanted(state, event.isAtRest);
    case "planned":
      return planned(state, event.layout, event.epoch);
    case "unplannable":
      return unplannable(state, event.error);
    case "prepared":
      return prepared(state, event);
    case "joined":
      return joined(state, event);
    case "failed":
      return failed(state, event);
    case "changed":
      return state.kind === "ready" ? same({ ...state, isStale: true }) : same(state);
    case "asked-anew":
      return askedAnew(state, event.away);
    case "released":
      return { state: IDLE, effects: releaseAll(state) };
  }
}

function same(state: RingState): RingStep {
  return { state, effects: [] };
}

function wanted(state: RingState, isAtRest: boolean): RingStep {
  if (state.kind === "idle" || state.kind === "broken") {
    return place({ attempt: 1, lost: [], previous: undefined, isHealthy: false });
  }
  if (state.kind === "ready" && state.isStale && isAtRest) {
    return place({ attempt: 1, lost: [], previous: state.plan, isHealthy: true });
  }
  return same(state);
}

/** What is on its way to a plan already goes on, unless it counts on somebody who is away. */
function askedAnew(state: RingState, away: readonly NodeId[]): RingStep {
  if (!("plan" in state)) return same(state);
  const { plan } = state;
  const lost = away.filter((nodeId) => plan.members.some((member) => member.nodeId === nodeId));
  if (lost.length === 0 && state.kind !== "ready") return same(state);
  if (lost.length === 0) return place({ attempt: 1, lost, previous: plan, isHealthy: true });
  const attempt = "attempt" in state ? state.attempt + 1 : 1;
  return place({ attempt, lost: [...state.lost, ...lost], previous: plan, isHealthy: false });
}

/** A ring that works is kept when nothing better can be planned just now. */
function unplannable(state: RingState, error: MeshError): RingStep {
  if (state.kind !== "placing") return same(state);
  const { previous, isHealthy, lost } = state;
  if (previous === undefined || !isHealthy) return broken(state, error);
  return same({ kind: "ready", plan: previous, lost, isStale: false });
}

function place(placing: Omit<Placing, "kind">): RingStep {
  const isFailover = placing.previous !== undefined && !placing.isHealthy;
  return {
    state: { kind: "placing", ...placing },
    effects: [{ kind: "place", without: placing.lost, isFailover }],
  };
}

function planned(state: RingState, layout: RingLayout, epoch: number): RingStep {
  if (state.kind !== "placing") return same(state);
  const { previous, lost, attempt } = state;
  if (previous !== undefined && state.isHealthy && sameLayout(previous, layout)) {
    return same({ kind: "ready", plan: previous, lost, isStale: false });
  }
  const plan: EpochPlan = { ...layout, epoch };
  const nodeIds = plan.members.map(({ nodeId }) => nodeId);
  const left = previous?.members.map(({ nodeId }) => nodeId).filter((id) => !nodeIds.includes(id));
  return {
    state: {
      ...{ kind: "preparing", plan, attempt, lost, waiting: nodeIds },
      endpoints: new Map(),
    },
    effects: [...releaseOf(previous?.epoch ?? epoch, left ?? []), { kind: "prepare", plan }],
  };
}

function prepared(state: RingState, event: Extract<RingEvent, { kind: "prepared" }>): RingStep {
  if (state.kind !== "preparing" || state.plan.epoch !== event.epoch) return same(state);
  if (!state.waiting.includes(event.nodeId)) return same(state);
  const endpoints = new Map(state.endpoints).set(event.nodeId, event.endpoints);
  const waiting = state.waiting.filter((nodeId) => nodeId !== event.nodeId);
  if (waiting.length > 0) return same({ ...state, waiting, endpoints });
  const { plan } = state;
  const all = plan.members.map(({ nodeId }) => nodeId);
  return {
    state: { ...state, kind: "joining", waiting: all, endpoints },
    effects: [{ kind: "join", plan, endpoints }],
  };
}

function joined(state: RingState, event: Extract<RingEvent, { kind: "joined" }>): RingStep {
  if (state.kind !== "joining" || state.plan.epoch !== event.epoch) return same(state);
  const waiting = state.waiting.filter((nodeId) => nodeId !== event.nodeId);
  if (waiting.length > 0) return same({ ...state, waiting });
  const { plan, lost } = state;
  return {
    state: { kind: "ready", plan, lost, isStale: lost.length > 0 },
    effects: [{ kind: "ready", plan }],
  };
}

function failed(state: RingState, event: Extract<RingEvent, { kind: "failed" }>): RingStep {
  if (!("plan" in state) || state.plan.epoch !== event.epoch) return same(state);
  if (!state.plan.members.some(({ nodeId }) => nodeId === event.nodeId)) return same(state);
  const attempt = "attempt" in state ? state.attempt + 1 : 1;
  if (event.verdict === "final" || attempt > PLACE_ATTEMPTS_MAX) return broken(state, event.error);
  const lost = event.verdict === "out" ? [...state.lost, event.nodeId] : state.lost;
  return place({ attempt, lost, previous: state.plan, isHealthy: false });
}

function broken(state: RingState, error: MeshError): RingStep {
  return {
    state: { kind: "broken", error },
    effects: [...releaseAll(state), { kind: "broken", error }],
  };
}

/** Of whatever is loaded or on the way. */
function releaseAll(state: RingState): RingEffect[] {
  const plan = "plan" in state ? state.plan : "previous" in state ? state.previous : undefined;
  if (plan === undefined) return [];
  return releaseOf(
    plan.epoch,
    plan.members.map(({ nodeId }) => nodeId),
  );
}

function releaseOf(epoch: number, nodeIds: readonly NodeId[]): RingEffect[] {
  return nodeIds.length === 0 ? [] : [{ kind: "release", epoch, nodeIds }];
}

/** The same members with the same columns; what they need of memory may be counted anew. */
function sameLayout(a: RingLayout, b: RingLayout): boolean {
  const text = ({ members, contextTokens }: RingLayout) =>
    JSON.stringify([contextTokens, members.map(({ nodeId, columns }) => [nodeId, columns])]);
  return text(a) === text(b);
}

/**
 * In which order the members that serve a model are tried, without I/O: healthy ones first, those
 * with a free place before full ones, then the least loaded by its own capacity, then the nearest.
 * Equal ones are shuffled, so that several callers do not all choose the same.
 */
import type { Random } from "@hearthmesh/core";
import type { EndpointView } from "./endpoint-service.js";
import { ENDPOINTS_TRIED_MAX } from "./limits.js";

export interface EndpointChoice {
  readonly model: string;
  readonly onlyMembers: readonly string[] | undefined;
  /** It failed a moment ago, or its node did. */
  isAvoided(view: EndpointView): boolean;
}

/** At most `ENDPOINTS_TRIED_MAX`; none when nobody serves the model who may see the prompt. */
export function inOrder(
  views: readonly EndpointView[],
  { model, onlyMembers, isAvoided }: EndpointChoice,
  random: Random,
): readonly EndpointView[] {
  const isAllowed = ({ nodeId, nodeName }: EndpointView) =>
    onlyMembers === undefined || onlyMembers.includes(nodeName) || onlyMembers.includes(nodeId);
  return views
    .filter((view) => view.models.includes(model) && isAllowed(view))
    .map((view) => ({ view, rank: rankOf(view, isAvoided(view)), chance: random.float() }))
    .sort((a, b) => compareRanks(a.rank, b.rank) || a.chance - b.chance)
    .map(({ view }) => view)
    .slice(0, ENDPOINTS_TRIED_MAX);
}

const HEALTH = { ok: 0, unknown: 1, failing: 2 } as const;
/** Costs within one class count as equally near. */
const COST_CLASS_MS = 5;

function rankOf(view: EndpointView, isAvoided: boolean): readonly number[] {
  const { health, requests, requestsAtOnce, costMs, isLocal } = view;
  const isFull = requests >= requestsAtOnce;
  const away = costMs === undefined ? Number.MAX_SAFE_INTEGER : Math.floor(costMs / COST_CLASS_MS);
  return [
    isAvoided ? HEALTH.failing : HEALTH[health],
    isFull ? 1 : 0,
    requests / requestsAtOnce,
    isLocal ? -1 : away,
  ];
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  for (const [at, value] of a.entries()) {
    const difference = value - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

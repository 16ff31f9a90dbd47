/** Plan: the remedies against a symptom, the best first, and what stands against each. */
import type { RemedyCandidate } from "../incident.js";
import type { RemedyName } from "../remedy.js";
import type { Symptom } from "../symptom.js";
import type { Considered, RemedyTraits } from "./healer-events.js";
import type { RemedyGates } from "./remedy-gates.js";
import { type RemedyMemory, scoreOf } from "./remedy-memory.js";
import { isBarredByPartition } from "./symptom-causes.js";

export interface RankingGround {
  readonly traits: ReadonlyMap<RemedyName, RemedyTraits>;
  readonly memory: RemedyMemory;
  readonly gates: RemedyGates;
  /** Half of the mesh is away: what is drastic for others is barred. */
  readonly isPartitioned: boolean;
  readonly nowMs: number;
}

export function rank(
  symptom: Symptom,
  considered: readonly Considered[],
  tried: ReadonlySet<RemedyName>,
  ground: RankingGround,
): RemedyCandidate[] {
  const candidates = considered.flatMap((one) => {
    const traits = ground.traits.get(one.remedy);
    return traits?.handles.includes(symptom.kind) ? [candidate(symptom, one, traits, ground)] : [];
  });
  return candidates
    .map((one) => (tried.has(one.remedy) ? { ...one, blockedBy: "it did not help just now" } : one))
    .sort((a, b) => b.score - a.score || (a.remedy < b.remedy ? -1 : 1));
}

function candidate(
  symptom: Symptom,
  { remedy, text, blockedBy }: Considered,
  traits: RemedyTraits,
  { memory, gates, isPartitioned, nowMs }: RankingGround,
): RemedyCandidate {
  const { success, uses } = memory.success(symptom.kind, remedy);
  const score = scoreOf(traits, success, symptom.severity);
  const barred =
    isPartitioned && isBarredByPartition(remedy)
      ? "half of the mesh is away: it would be drastic if this side is the one that is cut off"
      : undefined;
  const against = barred ?? blockedBy ?? gates.whyNot(traits, symptom, nowMs);
  const plan = { remedy, text, score, success, uses };
  return against === undefined ? plan : { ...plan, blockedBy: against };
}

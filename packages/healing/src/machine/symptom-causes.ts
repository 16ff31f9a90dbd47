/**
 * Which symptom explains which: then the cause alone is mended, and the others wait for it. Only
 * what has the same remedy, or comes and goes with its cause, stands here: copies of a lost node
 * are made although the node is being redialled.
 */
import type { SymptomKind } from "../fact.js";
import type { RemedyName } from "../remedy.js";
import type { Symptom } from "../symptom.js";

interface Explanation {
  readonly cause: SymptomKind;
  readonly explains: readonly SymptomKind[];
  /** Only about the same subject, such as one node. */
  readonly sameSubject: boolean;
}

const EXPLANATIONS: readonly Explanation[] = [
  {
    cause: "partition",
    explains: ["peer-unreachable", "route-missing", "peer-relayed"],
    sameSubject: false,
  },
  {
    cause: "peer-unreachable",
    explains: ["route-missing", "peer-relayed"],
    sameSubject: true,
  },
  { cause: "disk-full", explains: ["disk-filling"], sameSubject: true },
  { cause: "store-failing", explains: ["canary-failing"], sameSubject: false },
];

/** Drastic for others: not while this side may be the one that is cut off. */
const BARRED_BY_PARTITION: readonly RemedyName[] = [
  "quarantine-node",
  "evacuate-disk",
  "replace-store-member",
  "step-down",
];

export function explains(cause: Symptom, symptom: Symptom): boolean {
  return EXPLANATIONS.some(
    (one) =>
      one.cause === cause.kind &&
      one.explains.includes(symptom.kind) &&
      (!one.sameSubject || isSame(cause, symptom)),
  );
}

export function isBarredByPartition(remedy: RemedyName): boolean {
  return BARRED_BY_PARTITION.includes(remedy);
}

/** Kinds name a node's disk or links by different types, and by the id of the node. */
function isSame(a: Symptom, b: Symptom): boolean {
  return a.subject.id === b.subject.id;
}

/** What all members answered to one step, at the leader. */
import { MeshError } from "@hearthmesh/core";
import type { SliceCandidates } from "../sampling/candidates.js";
import { invalidFrame } from "./frame-codec.js";
import { MemberFault } from "./member-fault.js";
import type { RingPlanMember } from "./ring-plan.js";
import { decodeResult, type StepResult } from "./step-codec.js";

export interface CompleteResult {
  /** Of all members, in the order of the vocabulary. */
  readonly candidates: readonly SliceCandidates[];
  /** Of the slowest member. */
  readonly computeMs: number;
}

export class ResultBook {
  readonly #members: readonly RingPlanMember[];
  readonly #own: number;
  #results: (StepResult | undefined)[] = [];
  #wanted = 0;
  #stepNumber: number | undefined;

  constructor(members: readonly RingPlanMember[], own: number) {
    this.#members = members;
    this.#own = own;
  }

  /** Of the step that is under way; undefined when none is. */
  get stepNumber(): number | undefined {
    return this.#stepNumber;
  }

  /** What this member took to compute. */
  get ownMs(): number {
    return this.#results[this.#own]?.computeMs ?? 0;
  }

  begin(stepNumber: number, wanted: number): void {
    this.#stepNumber = stepNumber;
    this.#wanted = wanted;
    this.#results = this.#members.map(() => undefined);
  }

  put(position: number, result: StepResult): void {
    this.#results[position] = result;
  }

  /** `MESH_RING_FRAME_INVALID`. */
  accept(from: number, payload: Uint8Array): void {
    const rows = this.#members[from]?.shard.vocabulary;
    if (rows === undefined || this.#results[from] !== undefined) {
      throw invalidFrame("a result came twice");
    }
    this.#results[from] = decodeResult(payload, this.#wanted, rows);
  }

  /** The first member whose result is missing, when the own one is there. */
  missing(): number | undefined {
    if (this.#stepNumber === undefined || this.#results[this.#own] === undefined) return undefined;
    const at = this.#results.indexOf(undefined);
    return at < 0 ? undefined : at;
  }

  /**
   * Once, when all are there. `MemberFault` with `MESH_RING_DIVERGED` when the members do not have
   * the same activations.
   */
  take(): CompleteResult | undefined {
    if (this.#stepNumber === undefined || this.#results.includes(undefined)) return undefined;
    const results = this.#results as readonly StepResult[];
    this.#stepNumber = undefined;
    this.#compareHashes(results);
    const computeMs = Math.max(...results.map((result) => result.computeMs));
    return { candidates: results.map(({ candidates }) => candidates), computeMs };
  }

  /** Whoever differs from most is to blame; of two, the one that is not the leader. */
  #compareHashes(results: readonly StepResult[]): void {
    const texts = results.map(({ hash }) => hash.join(":"));
    const count = (text: string) => texts.filter((other) => other === text).length;
    const most = texts.reduce((a, b) => (count(b) > count(a) ? b : a), texts[this.#own] ?? "");
    const position = texts.findIndex((text) => text !== most);
    if (position < 0) return;
    const name = this.#members[position]?.name ?? "";
    const message = `the activations of ${name} are not those of the others`;
    const error = new MeshError("MESH_RING_DIVERGED", { message });
    throw new MemberFault(position === this.#own ? undefined : position, error);
  }
}

/** What a check of the metadata against the chunks has found, bounded in size. */
import { limits } from "@hearthmesh/core";

/**
 * - `chunks-lost`: a file has chunks that no storage node has, and every one of them was asked.
 * - `chunks-away`: the same, but nodes are away that may have them.
 * - `segment-missing`: the list of a file's chunks has a gap.
 * - `reference-missing`: a chunk of a file has no reference; the collector could take it away.
 * - `reference-stray`: a reference belongs to no file, upload or entry of the trash.
 * - `segment-stray`, `queue-stray`: the same of rows that list or queue chunks.
 * - `directory-orphan`: entries lie in a directory that nothing leads to.
 * - `dead-alive`: a file of the namespace is noted for the sweeper.
 * - `file-twice`: two entries have the same content id.
 * - `usage-wrong`: the counted totals are not those of the rows.
 */
export type FsckKind =
  | "chunks-lost"
  | "chunks-away"
  | "segment-missing"
  | "reference-missing"
  | "reference-stray"
  | "segment-stray"
  | "queue-stray"
  | "directory-orphan"
  | "dead-alive"
  | "file-twice"
  | "usage-wrong";

export interface FsckFinding {
  readonly kind: FsckKind;
  /** Of the file, where one is meant. */
  readonly path?: string;
  /** Content id, directory id or chunk id. */
  readonly id?: string;
  readonly detail: string;
  readonly mended: boolean;
}

/** Contents that can no longer be read whole. */
const LOST: ReadonlySet<FsckKind> = new Set(["chunks-lost", "segment-missing"]);

/** `lost`: contents are gone. `unknown`: nodes are away. `untidy`: nothing is lost. */
export type FsckState = "clean" | "untidy" | "unknown" | "lost";

export interface FsckReport {
  readonly startedAtMs: number;
  readonly tookMs: number;
  /** Of the store, at which all rows were read. */
  readonly revision: number;
  readonly repair: boolean;
  readonly state: FsckState;
  readonly files: number;
  readonly directories: number;
  readonly bytes: number;
  readonly references: number;
  /** Different chunks that rows refer to. */
  readonly chunks: number;
  /** Of these, the ones with fewer copies than they should have; repair brings them. */
  readonly underReplicated: number;
  /** Chunks on the nodes that nothing refers to; the collector takes them in its time. */
  readonly unreferenced: { readonly chunks: number; readonly oldestAtMs?: number };
  /** Removed things that the sweeper has not come to yet. */
  readonly dead: number;
  readonly trash: number;
  /** Storage nodes that were away, or whose list broke off. */
  readonly nodesAway: readonly string[];
  /** What was not looked at, and why. */
  readonly skipped: readonly string[];
  /** How often each kind was found, also beyond those that are listed. */
  readonly counts: Readonly<Partial<Record<FsckKind, number>>>;
  readonly mended: number;
  readonly findings: readonly FsckFinding[];
}

export type FsckFacts = Omit<FsckReport, "state" | "counts" | "mended" | "findings" | "skipped">;

export class FsckFindings {
  readonly #findings: FsckFinding[] = [];
  readonly #counts = new Map<FsckKind, number>();
  readonly #skipped = new Set<string>();
  #mended = 0;

  add(kind: FsckKind, finding: Omit<FsckFinding, "kind" | "mended"> & { mended?: boolean }): void {
    const { mended = false, ...rest } = finding;
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    if (mended) this.#mended++;
    if (this.#findings.length < limits.FSCK_FINDINGS_MAX) {
      this.#findings.push({ kind, ...rest, mended });
    }
  }

  skip(reason: string): void {
    this.#skipped.add(reason);
  }

  report(facts: FsckFacts): FsckReport {
    return {
      ...facts,
      state: this.#state(facts),
      skipped: [...this.#skipped],
      counts: Object.fromEntries(this.#counts),
      mended: this.#mended,
      findings: this.#findings,
    };
  }

  #state({ nodesAway, underReplicated }: FsckFacts): FsckState {
    if ([...this.#counts.keys()].some((kind) => LOST.has(kind))) return "lost";
    if (nodesAway.length > 0 || this.#counts.has("chunks-away")) return "unknown";
    if (this.#skipped.size > 0) return "unknown";
    return this.#counts.size > 0 || underReplicated > 0 ? "untidy" : "clean";
  }
}

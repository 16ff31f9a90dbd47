/**
 * How many files the namespace holds and how many bytes they have, in all and by the trust domain
 * of their owners. Counted once from the rows as they were at one revision, then kept by adding up
 * what the coordinator changes. Unknown until the count has ended. A removed tree counts until it
 * is swept. What is in the trash belongs to its owner still, so it counts for the quota of a
 * domain, and is no file of the namespace any more.
 */
import { isMeshError } from "@hearthmesh/core";
import type { Store } from "@hearthmesh/store";
import type { SharedGate } from "./gates.js";
import { keys } from "./keys.js";
import { decodeEntry } from "./records.js";
import { pagesOf } from "./store-helpers.js";
import { decodeTrash } from "./trash-records.js";

const PAGE_ROWS = 1000;
/** Under a steady storm of writes the history is too short to be counted; then it stays unknown. */
const COUNT_ATTEMPTS = 5;

export interface Totals {
  readonly files: number;
  readonly bytes: number;
}

const NOTHING: Totals = { files: 0, bytes: 0 };

/** Totals by trust domain. Owners are verified identities, so their domains are few. */
class Tally {
  readonly #byDomain = new Map<string, Totals>();

  add(files: number, bytes: number, owner: string): void {
    const domain = domainOfOwner(owner);
    const before = this.of(domain);
    const after = { files: before.files + files, bytes: before.bytes + bytes };
    this.#byDomain.set(domain, after);
  }

  of(domain: string): Totals {
    return this.#byDomain.get(domain) ?? NOTHING;
  }

  all(): Totals {
    return [...this.#byDomain.values()].reduce(sum, NOTHING);
  }
}

/** `home.alice` of `spiffe://home.alice/person/carol`. */
export function domainOfOwner(owner: string): string {
  return /^spiffe:\/\/([^/]+)\//.exec(owner)?.[1] ?? "";
}

function sum(a: Totals, b: Totals): Totals {
  return { files: a.files + b.files, bytes: a.bytes + b.bytes };
}

export class Usage {
  readonly #store: Store;
  readonly #gate: SharedGate;
  #changed = new Tally();
  #counted: Tally | undefined;
  #trashChanged = new Tally();
  #trashCounted = new Tally();
  #directoriesMade = new Tally();
  #directoriesCounted = new Tally();

  constructor(store: Store, gate: SharedGate) {
    this.#store = store;
    this.#gate = gate;
  }

  /** `owner` is the SPIFFE id that the file has. */
  add(files: number, bytes: number, owner: string): void {
    this.#changed.add(files, bytes, owner);
  }

  /** The same for files in the trash. */
  addTrash(files: number, bytes: number, owner: string): void {
    this.#trashChanged.add(files, bytes, owner);
  }

  madeDirectory(owner: string): void {
    this.#directoriesMade.add(1, 0, owner);
  }

  totals(): Totals | undefined {
    return this.#counted === undefined ? undefined : sum(this.#counted.all(), this.#changed.all());
  }

  /** Of the files whose owners are of this trust domain, those in the trash included. */
  ofDomain(domain: string): Totals | undefined {
    const counted = this.#counted?.of(domain);
    if (counted === undefined) return undefined;
    const trash = sum(this.#trashCounted.of(domain), this.#trashChanged.of(domain));
    return sum(sum(counted, this.#changed.of(domain)), trash);
  }

  /** Files, those in the trash included, and directories. */
  entriesOfDomain(domain: string): number | undefined {
    const files = this.ofDomain(domain)?.files;
    if (files === undefined) return undefined;
    return (
      files + this.#directoriesCounted.of(domain).files + this.#directoriesMade.of(domain).files
    );
  }

  /** The totals as they are at a revision of the store, for whoever counts them again. */
  snapshot(): Promise<{ readonly revision: number; readonly totals: Totals | undefined }> {
    return this.#gate.alone(async () => {
      const { revision } = await this.#store.range(keys.uploads, { limit: 1, keysOnly: true });
      return { revision, totals: this.totals() };
    });
  }

  /** Unknown until it has ended. */
  async recount(signal: AbortSignal): Promise<void> {
    this.#counted = undefined;
    await this.count(signal);
  }

  async count(signal: AbortSignal): Promise<void> {
    for (let attempt = 0; attempt < COUNT_ATTEMPTS && this.#counted === undefined; attempt++) {
      try {
        const revision = await this.#begin();
        const { files, directories } = await this.#countAt("f", revision, signal);
        this.#trashCounted = (await this.#countAt("t", revision, signal)).files;
        this.#directoriesCounted = directories;
        this.#counted = files;
      } catch (error) {
        if (!isMeshError(error, "MESH_STORE_COMPACTED")) throw error;
      }
    }
  }

  /**
   * No change is half done while the gate is held: what comes later is added to what is counted.
   */
  #begin(): Promise<number> {
    return this.#gate.alone(async () => {
      this.#changed = new Tally();
      this.#trashChanged = new Tally();
      this.#directoriesMade = new Tally();
      this.#directoriesCounted = new Tally();
      return (await this.#store.range(keys.uploads, { limit: 1, keysOnly: true })).revision;
    });
  }

  async #countAt(kind: "f" | "t", revision: number, signal: AbortSignal) {
    const [files, directories] = [new Tally(), new Tally()];
    for await (const page of pagesOf(this.#store, kind, { limit: PAGE_ROWS, revision, signal })) {
      for (const row of page) {
        const record = kind === "f" ? decodeEntry(row.value) : decodeTrash(row.value).entry;
        if (record.kind === "file") files.add(1, record.sizeBytes, record.owner);
        else directories.add(1, 0, record.owner);
      }
    }
    return { files, directories };
  }
}

/** What the coordinator notes about copies at friends. */
import type { FileId } from "@hearthmesh/core";

/** `c/<file id>`: a file waits for copies. Written in the transaction that made its content. */
export interface WantedRecord {
  readonly v: 1;
  /** Where the file was then; the walk over all files mends it after a move. */
  readonly path: string;
}

/** One sealed copy. */
export interface KeptCopy {
  /** Trust domain of the friend. */
  readonly member: string;
  readonly sealedBytes: number;
  readonly madeAtMs: number;
  /** The friend said last that it has it. */
  readonly seenAtMs: number;
  /** It was read back as a whole last. */
  readonly checkedAtMs: number;
}

/** `k/<file id>`: the copies of a content at friends. */
export interface KeptRecord {
  readonly v: 1;
  /** Where the file was seen last. */
  readonly path: string;
  readonly directoryId: FileId;
  readonly name: string;
  /** SPIFFE id of the file's owner. */
  readonly owner: string;
  readonly copies: readonly KeptCopy[];
}

/** The directory at a friend that holds everything of one member. */
export function copiesDirectory(ownDomain: string): string {
  return `/.copies/${ownDomain}`;
}

/** Where a copy lies at a friend. */
export function copyPath(ownDomain: string, name: string): string {
  return `${copiesDirectory(ownDomain)}/${name.slice(0, 2)}/${name}`;
}

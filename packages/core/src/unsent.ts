/**
 * Calls that surely were not carried out: nothing of them was sent, or all of it was taken back.
 * Only those may go to somebody else without anybody looking first. The mark is not a detail,
 * because the details of an error may come from outside.
 */
import type { MeshError } from "./errors.js";

const UNSENT = Symbol("unsent");

/** Marks an error of a call that was surely not carried out. */
export function asUnsent(error: MeshError): MeshError {
  return Object.assign(error, { [UNSENT]: true });
}

export function isUnsent(error: unknown): boolean {
  return (error as { [UNSENT]?: true } | null | undefined)?.[UNSENT] === true;
}

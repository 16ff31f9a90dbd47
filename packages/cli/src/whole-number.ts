/** Whole numbers in options. */
import { usageError } from "./failures.js";

export interface WholeNumberRange {
  /** Default 1. */
  readonly least?: number;
  /** Default: whatever is exact, 15 digits. */
  readonly most?: number;
}

const DIGITS_MAX = 15;

/**
 * The number that was written after an option; undefined when it was left out.
 * @throws MeshError `MESH_BAD_REQUEST` that names the option and the range
 */
export function parseWholeNumber(text: string, option: string, range?: WholeNumberRange): number;
export function parseWholeNumber(
  text: string | undefined,
  option: string,
  range?: WholeNumberRange,
): number | undefined;
export function parseWholeNumber(
  text: string | undefined,
  option: string,
  { least = 1, most }: WholeNumberRange = {},
): number | undefined {
  if (text === undefined) return undefined;
  const isDigits = /^\d+$/.test(text) && text.length <= DIGITS_MAX;
  const value = Number(text);
  if (isDigits && value >= least && value <= (most ?? value)) return value;
  const range = most === undefined ? `from ${least} on` : `from ${least} to ${most}`;
  throw usageError(`${option} is a whole number ${range}, not ${JSON.stringify(text)}`);
}

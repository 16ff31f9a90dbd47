/** The copies at friends in the form of the API: what is not known is null. */
import type { CopiesStatus } from "@hearthmesh/collective";
import type { CopiesView } from "./contracts/copies.js";

export function copiesView(status: CopiesStatus | undefined): CopiesView | null {
  if (status === undefined) return null;
  return {
    waiting: status.files ?? null,
    reasons: status.reasons.map((one) => ({ ...one })),
    kept: status.kept ?? null,
    lostChunks: status.lostChunks,
  };
}

/**
 * One answer as it grows: it chooses tokens, turns them into text, and ends at an end token, a stop
 * text or the number of tokens. It lives through the loss of members, for what it knows depends on
 * no cache.
 */
import type { SliceCandidates } from "../sampling/candidates.js";

export interface Answer {
  /** How many candidates every member has to name. */
  readonly wanted: number;
  /** Chooses the next token. A `MeshError` ends the answer, and no other one. */
  next(candidates: readonly SliceCandidates[]): AnswerPiece;
  /** What was held back, when the answer ends because it is long enough. */
  end(): string;
}

export interface AnswerPiece {
  readonly token: number;
  readonly text: string;
  /** Ended by an end token, which is no part of it, or by a stop text. */
  readonly ended: boolean;
  readonly isEndToken: boolean;
}

/** The part of a model that one member of a ring holds. */

/** Half open: `from` belongs to it, `to` does not. Empty when they are equal. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Virtual columns of every ring: shares are agreed in these, whatever the model. */
export const RING_COLUMNS = 8192;

/**
 * What a range of columns means for one model. Over all members of a plan, each of the four spans
 * covers its whole exactly once, in the order of the members.
 */
export interface Shard {
  /** Position in the ring, from 0. */
  readonly position: number;
  readonly members: number;
  /** Of `RING_COLUMNS`. */
  readonly columns: Span;
  /** Key and value heads; the query heads of their groups go with them. */
  readonly kvHeads: Span;
  /** Feed-forward columns, cut at `ModelShape.feedForwardUnit`. */
  readonly feedForward: Span;
  /** Rows of the output. */
  readonly vocabulary: Span;
}

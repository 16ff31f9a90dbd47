/** What went wrong in a ring, and whose doing it was. */
import type { MeshError } from "@hearthmesh/core";

/** Ends an epoch at this member. */
export class MemberFault extends Error {
  override readonly name = "MemberFault";
  /** In the ring; undefined when it was this member itself. */
  readonly position: number | undefined;
  readonly error: MeshError;

  constructor(position: number | undefined, error: MeshError) {
    super(error.message, { cause: error });
    this.position = position;
    this.error = error;
  }
}

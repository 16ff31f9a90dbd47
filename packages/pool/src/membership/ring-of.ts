/** The ring that follows from what was agreed: the same for everybody who heard the same. */
import type { NodeId } from "@hearthmesh/core";
import { columnsOf } from "../shards/columns.js";
import type { Span } from "../shards/shard.js";
import { CAPACITY_CHANGES_COUNTED_MAX, CAPACITY_DEFAULT, EPOCH_STRIDE } from "./limits.js";
import type { PoolRole } from "./pool-directory.js";
import type { RingAgreement } from "./ring-agreement.js";

interface RingPlace {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly role: PoolRole;
  /** From 0; the admin is the first. */
  readonly position: number;
  readonly columns: Span;
  readonly capacity: number;
  /** As the member said; empty before it was heard. */
  readonly endpoints: readonly string[];
}

export interface Ring {
  readonly epoch: number;
  readonly places: readonly RingPlace[];
}

/** Without a roster: nobody, epoch 0. A member that was not heard yet has the default capacity. */
export function ringOf(agreement: RingAgreement): Ring {
  const { roster } = agreement;
  if (roster === undefined) return { epoch: 0, places: [] };
  const said = roster.members.map(({ nodeId }) => agreement.statementOf(nodeId));
  const capacities = said.map((one) => one?.capacity ?? CAPACITY_DEFAULT);
  const spans = columnsOf(capacities);
  const changes = said.map((one) =>
    Math.min(one?.capacityChanges ?? 0, CAPACITY_CHANGES_COUNTED_MAX),
  );
  return {
    epoch: roster.version * EPOCH_STRIDE + changes.reduce((sum, one) => sum + one, 0),
    places: roster.members.map(({ nodeId, name, role }, position) => ({
      nodeId,
      name,
      role,
      position,
      columns: spans[position] ?? { from: 0, to: 0 },
      capacity: capacities[position] ?? CAPACITY_DEFAULT,
      endpoints: said[position]?.endpoints ?? [],
    })),
  };
}

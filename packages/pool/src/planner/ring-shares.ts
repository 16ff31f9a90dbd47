/**
 * The shares of a ring: as much to each member as its bandwidth says, so that all end at the same
 * time, and no more than its memory holds. What does not fit on one moves to the others.
 */
import { type EngineMemory, memoryOf, weightBytesEstimate } from "../engine/engine-memory.js";
import { columnsOf } from "../shards/columns.js";
import { RING_COLUMNS, type Shard } from "../shards/shard.js";
import { idlePositions, shardsOf, wholeShard } from "../shards/shards-of.js";
import { FIT_ROUNDS_MAX, SHARE_STEP } from "./limits.js";
import type { PlannerInput, PlannerMember } from "./planner-input.js";

interface FittedShare {
  readonly shard: Shard;
  readonly memory: EngineMemory;
}

export type FittedShares =
  | { readonly shares: readonly FittedShare[] }
  /** `missingBytes` is 0 when memory is not the reason. */
  | { readonly reason: string; readonly missingBytes: number };

type Model = Pick<PlannerInput, "shape" | "sizes">;

/** Memory of a shard as the engine would count it. */
function memoryOfShard({ shape, sizes }: Model, shard: Shard): EngineMemory {
  return memoryOf(shape, shard, weightBytesEstimate(shape, shard), sizes);
}

/** The whole model on one member. */
export function fitWhole(model: Model, member: PlannerMember): FittedShares {
  const shard = wholeShard(model.shape);
  const memory = memoryOfShard(model, shard);
  const missingBytes = memory.totalBytes - member.memoryBytes;
  if (missingBytes <= 0) return { shares: [{ shard, memory }] };
  const reason = `needs ${memory.totalBytes} bytes, ${member.memoryBytes} are free`;
  return { reason: `${reason}, ${missingBytes} are missing`, missingBytes };
}

/** Two members or more, in the order of the ring. */
export function fitShares(model: Model, members: readonly PlannerMember[]): FittedShares {
  const fair = steadyWeights(members);
  let weights = fair;
  const full = new Set<number>();
  for (let round = 0; round < FIT_ROUNDS_MAX; round++) {
    const shards = shardsOf(model.shape, columnsOf(wholeNumbers(weights)));
    const idle = idlePositions(shards)[0];
    if (idle !== undefined) {
      const reason = `${members[idle]?.name} would hold nothing: the model has too few parts`;
      return { reason, missingBytes: 0 };
    }
    const shares = shards.map((shard) => ({ shard, memory: memoryOfShard(model, shard) }));
    const over = overfull(shares, members);
    if (over.length === 0) return { shares };
    for (const index of over) full.add(index);
    if (full.size === members.length) return lacking(shares, members);
    weights = moved(weights, fair, shares, members, full);
  }
  const reason = "no shares were found that fit in the memory of every member";
  return { reason, missingBytes: 0 };
}

/**
 * Bandwidths in steps of `SHARE_STEP`: two measurements of the same machine differ by more than a
 * tenth, and shares that follow each of them would load other columns after every start.
 */
function steadyWeights(members: readonly PlannerMember[]): number[] {
  const fastest = Math.max(...members.map((member) => member.bandwidthBytesPerSecond));
  return members.map(({ bandwidthBytesPerSecond }) => {
    const steps = Math.log(bandwidthBytesPerSecond / fastest) / Math.log(SHARE_STEP);
    return SHARE_STEP ** Math.round(steps);
  });
}

function overfull(shares: readonly FittedShare[], members: readonly PlannerMember[]): number[] {
  return shares.flatMap(({ memory }, index) =>
    memory.totalBytes > (members[index]?.memoryBytes ?? 0) ? [index] : [],
  );
}

function lacking(shares: readonly FittedShare[], members: readonly PlannerMember[]): FittedShares {
  const needed = shares.reduce((sum, { memory }) => sum + memory.totalBytes, 0);
  const free = members.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
  const missingBytes = Math.max(needed - free, 1);
  const reason = `together they need ${needed} bytes, ${free} are free`;
  return { reason: `${reason}, ${missingBytes} are missing`, missingBytes };
}

/** Members that are full keep what fits, the others share the rest by their bandwidth. */
function moved(
  weights: readonly number[],
  fair: readonly number[],
  shares: readonly FittedShare[],
  members: readonly PlannerMember[],
  full: ReadonlySet<number>,
): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const parts = weights.map((weight, index) => {
    const part = weight / total;
    const fixed = shares[index]?.memory.scratchBytes ?? 0;
    const growing = (shares[index]?.memory.totalBytes ?? 0) - fixed;
    const room = Math.max((members[index]?.memoryBytes ?? 0) - fixed, 0);
    // Scratch memory shrinks with the share too, so a little less than the quotient is enough.
    return full.has(index) && growing > room ? part * (room / growing) * 0.97 : part;
  });
  const kept = sumWhere(parts, (index) => full.has(index));
  const openSum = sumWhere(fair, (index) => !full.has(index));
  return parts.map((part, index) =>
    full.has(index) ? part : (1 - kept) * ((fair[index] ?? 0) / openSum),
  );
}

function sumWhere(values: readonly number[], holds: (index: number) => boolean): number {
  return values.reduce((sum, value, index) => (holds(index) ? sum + value : sum), 0);
}

/** Capacities are whole numbers; as fine as the columns allow, many times over. */
function wholeNumbers(weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => Math.max(1, Math.round((weight / total) * RING_COLUMNS * 1024)));
}

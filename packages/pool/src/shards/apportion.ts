/**
 * Sharing a number of equal pieces by weight with the method of the largest remainder (Hamilton's).
 * All arithmetic is in whole numbers, so every machine comes to the same shares.
 */
import type { Span } from "./shard.js";

/**
 * How many of `pieces` each weight gets; the sum is exact. A weight of 0 gets none. Equal
 * remainders go to the earlier one. A larger weight never gets less than a smaller one, and who
 * raises its weight alone never gets less than before.
 *
 * `least` pieces go to every weight above 0: a share below it is lifted to it, and the others
 * share what is left. The caller has checked that there are enough.
 */
export function apportion(pieces: number, weights: readonly number[], least = 0): number[] {
  const shares = weights.map(() => 0);
  const lifted = new Set<number>();
  for (;;) {
    const open = weights.flatMap((weight, index) =>
      weight > 0 && !lifted.has(index) ? [index] : [],
    );
    const rest = pieces - lifted.size * least;
    const quotas = quotasOf(rest, weights, open);
    const tooSmall = quotas.filter(({ whole }) => whole < least);
    if (tooSmall.length === 0) {
      giveRemainders(rest, quotas, shares);
      return shares;
    }
    for (const { index } of tooSmall) {
      lifted.add(index);
      shares[index] = least;
    }
  }
}

interface Quota {
  readonly index: number;
  readonly whole: number;
  /** In parts of the sum of all weights. */
  readonly remainder: bigint;
}

function quotasOf(pieces: number, weights: readonly number[], open: readonly number[]): Quota[] {
  const total = open.reduce((sum, index) => sum + BigInt(weights[index] ?? 0), 0n);
  return open.map((index) => {
    const scaled = BigInt(weights[index] ?? 0) * BigInt(pieces);
    return { index, whole: Number(scaled / total), remainder: scaled % total };
  });
}

function giveRemainders(pieces: number, quotas: readonly Quota[], shares: number[]): void {
  for (const { index, whole } of quotas) shares[index] = whole;
  const left = pieces - quotas.reduce((sum, { whole }) => sum + whole, 0);
  const byRemainder = [...quotas].sort((a, b) =>
    a.remainder === b.remainder ? a.index - b.index : a.remainder < b.remainder ? 1 : -1,
  );
  for (const { index } of byRemainder.slice(0, left)) shares[index] = (shares[index] ?? 0) + 1;
}

/**
 * One span after the other, `unit` wide per piece; what exceeds `width` is cut off, so a last
 * piece may be smaller than the others.
 */
export function spansOf(shares: readonly number[], unit: number, width: number): Span[] {
  let from = 0;
  return shares.map((share) => {
    const span = { from, to: Math.min(width, from + share * unit) };
    from = span.to;
    return span;
  });
}

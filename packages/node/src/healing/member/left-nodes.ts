/**
 * A node that left in order needs no looks: what cannot be seen of it is not spoken of, where one
 * that is away without a word is unknown. What is known of it all the same, such as chunks that it
 * kept and that lack a copy since it counts as lost, is said as of any other.
 */
import type { Fact } from "@hearthmesh/healing";

/** Ids of nodes that said goodbye and are not back. */
export type LeftNodes = () => ReadonlySet<string>;

export function withoutLeft(facts: readonly Fact[], left: LeftNodes): readonly Fact[] {
  if (!facts.some(({ verdict }) => verdict === "unknown")) return facts;
  const gone = left();
  return facts.filter(({ verdict, subject }) => verdict !== "unknown" || !gone.has(subject.id));
}

import type { NodeId } from "@hearthmesh/core";
import type { Link } from "@hearthmesh/qwormhole";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LINKS_PER_NODE_MAX } from "./limits.js";
import { LinkChoice, type LinkOrigin } from "./link-choice.js";

const LOW = "a".repeat(52) as NodeId;
const HIGH = "b".repeat(52) as NodeId;
const DIRECT = { kind: "direct", via: [] } as const;
const RELAYED = { kind: "relayed", via: [HIGH] } as const;

interface TestLink extends Link {
  isOpen: boolean;
}

/** Only whether it is open is looked at. */
const link = () => ({ isOpen: true }) as TestLink;

/** One connection as its two ends see it. */
interface Wire {
  readonly dialledBy: NodeId;
  readonly atLow: TestLink;
  readonly atHigh: TestLink;
}

class Ends {
  readonly low = new LinkChoice(LOW);
  readonly high = new LinkChoice(HIGH);
  readonly wires: Wire[] = [];

  readonly #arrivals: (() => void)[][] = [[], []];

  dial(dialledBy: NodeId): void {
    const wire = { dialledBy, atLow: link(), atHigh: link() };
    this.wires.push(wire);
    const originAt = (end: NodeId): LinkOrigin => (end === dialledBy ? "dialled" : "accepted");
    this.#arrivals[0]!.push(() => this.low.add(HIGH, wire.atLow, DIRECT, originAt(LOW)));
    this.#arrivals[1]!.push(() => this.high.add(LOW, wire.atHigh, DIRECT, originAt(HIGH)));
  }

  /** A connection opens at its ends at different times, and not in the same order at both. */
  arrive(end: number, index: number): void {
    const waiting = this.#arrivals[end]!;
    waiting.splice(index % Math.max(1, waiting.length), 1)[0]?.();
  }

  arriveAll(): void {
    for (const end of [0, 1]) while (this.#arrivals[end]!.length > 0) this.arrive(end, 0);
  }

  /** Each end closes what it should; the other end sees that. */
  retire(): void {
    for (const [choice, peer] of [
      [this.low, HIGH],
      [this.high, LOW],
    ] as const) {
      for (const one of choice.retirable(peer)) {
        const wire = this.wires.find(({ atLow, atHigh }) =>
          [atLow, atHigh].includes(one.link as TestLink),
        )!;
        wire.atLow.isOpen = false;
        wire.atHigh.isOpen = false;
        this.low.remove(HIGH, wire.atLow);
        this.high.remove(LOW, wire.atHigh);
      }
    }
  }

  used(): (Wire | undefined)[] {
    return [
      this.wires.find(({ atLow }) => atLow === this.low.best(HIGH)?.link),
      this.wires.find(({ atHigh }) => atHigh === this.high.best(LOW)?.link),
    ];
  }
}

describe("LinkChoice", () => {
  it("lets both ends keep the same one of any dials, in any order, and never none", () => {
    const step = fc.oneof(
      fc.constantFrom("low", "high"),
      fc.record({ end: fc.integer({ min: 0, max: 1 }), index: fc.nat(3) }),
      fc.constant("retire"),
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), (steps) => {
        const ends = new Ends();
        ends.dial(LOW);
        for (const one of steps) {
          const isRoom = ends.wires.filter(({ atLow }) => atLow.isOpen).length < LINKS_PER_NODE_MAX;
          if (typeof one !== "string") ends.arrive(one.end, one.index);
          else if (one === "retire") ends.retire();
          else if (isRoom) ends.dial(one === "low" ? LOW : HIGH);
        }
        ends.arriveAll();
        ends.retire();
        ends.retire();
        const [low, high] = ends.used();
        expect(low).toBeDefined();
        expect(low).toBe(high);
        expect(ends.wires.filter(({ atLow }) => atLow.isOpen)).toEqual([low]);
      }),
      { numRuns: 1000 },
    );
  });

  it("keeps the one that the lower id dialled when both dialled at once", () => {
    const ends = new Ends();
    ends.dial(HIGH);
    ends.dial(LOW);
    ends.arriveAll();
    expect(ends.used().map((wire) => wire?.dialledBy)).toEqual([LOW, LOW]);
    expect(ends.low.retirable(HIGH)).toEqual([]);
    expect(ends.high.retirable(LOW).map(({ link: one }) => one)).toEqual([ends.wires[0]!.atHigh]);
  });

  it("uses a direct link before a relayed one, and tells of both", () => {
    const choice = new LinkChoice(LOW);
    const relayed = link();
    const direct = link();
    expect(choice.add(HIGH, relayed, RELAYED, "dialled").opened).toMatchObject([{ link: relayed }]);
    expect(choice.best(HIGH)?.link).toBe(relayed);
    expect(choice.add(HIGH, direct, DIRECT, "accepted").closed).toEqual([]);
    expect(choice.best(HIGH)?.link).toBe(direct);
    expect(choice.open().map(({ kind }) => kind)).toEqual(["direct", "relayed"]);
    expect(choice.retirable(HIGH).map((one) => one.link)).toEqual([relayed]);
    expect(choice.remove(HIGH, direct).closed).toMatchObject([{ link: direct }]);
    expect(choice.best(HIGH)?.link).toBe(relayed);
    expect(choice.retirable(HIGH)).toEqual([]);
  });

  it("goes over to another link at once when the one in use begins to close", () => {
    const choice = new LinkChoice(LOW);
    const [first, second] = [link(), link()];
    choice.add(HIGH, first, DIRECT, "dialled");
    choice.add(HIGH, second, DIRECT, "accepted");
    expect(choice.best(HIGH)?.link).toBe(first);
    first.isOpen = false;
    expect(choice.best(HIGH)?.link).toBe(second);
    const changes = choice.remove(HIGH, first);
    expect(changes).toMatchObject({ closed: [{ link: first }], opened: [{ link: second }] });
    expect(choice.remove(HIGH, first)).toEqual({ closed: [], opened: [] });
    choice.remove(HIGH, second);
    expect(choice.all()).toEqual([]);
    expect(choice.best(HIGH)).toBeUndefined();
  });

  it("names one too many, never the one in use", () => {
    const choice = new LinkChoice(LOW);
    const links = Array.from({ length: LINKS_PER_NODE_MAX + 1 }, link);
    const excess = links.map((one) => choice.add(HIGH, one, DIRECT, "accepted").excess);
    expect(excess).toEqual([...Array(LINKS_PER_NODE_MAX).fill(undefined), links[0]]);
  });
});

import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { addBf16, bf16Scratch, encodeBf16, setBf16, sumsOf } from "./bf16.js";
import { Exchange } from "./exchange.js";
import { chooseExchange, LinkCost } from "./exchange-choice.js";
import { FrameKind, FrameReader, HEADER_BYTES } from "./frame-codec.js";
import type { MemberFault } from "./member-fault.js";
import type { ExchangeMode } from "./step-codec.js";
import { bfloat16Format, float32Format, payloadOf, wireFormatOf } from "./wire-format.js";

const WIDTH = 24;
const ROWS_MAX = 4;

/** What the members of a ring send each other in the tests that run now. */
let format = bfloat16Format;

interface Member {
  exchange: Exchange;
  /** Frames on their way, by receiver. */
  sent: { to: number; frame: Uint8Array }[];
}

/** Contributors: everybody, unless told. */
function ring(members: number, holders: readonly [boolean[], boolean[]]): Member[] {
  return Array.from({ length: members }, (_, position) => {
    const sent: Member["sent"] = [];
    const exchange = new Exchange({
      ...{ epoch: 7, position, members, embeddingWidth: WIDTH, rowsMax: ROWS_MAX },
      format: format(),
      contributors: holders,
      send: (to, frame) => sent.push({ to, frame: frame.slice() }),
    });
    return { exchange, sent };
  });
}

function deliver(member: Member, from: number, frame: Uint8Array): void {
  const reader = new FrameReader({
    payloadBytesMax: (kind) => member.exchange.payloadBytesMax(kind),
    onFrame: (header, payload) => member.exchange.accept(from, header.kind, header.number, payload),
  });
  reader.read(frame);
}

const everybody = (members: number): [boolean[], boolean[]] => {
  const all = Array.from({ length: members }, () => true);
  return [all, all];
};

/** What is right, and what rounding may do to it. */
function exactSum(partials: readonly Float32Array[], at: number): { sum: number; slack: number } {
  const values = partials.map((partial) => partial[at]!);
  const sum = values.reduce((a, b) => a + b, 0);
  const size = values.reduce((a, b) => a + Math.abs(b), 0) + Math.abs(sum);
  return { sum, slack: size / 128 };
}

function randomPartials(random: () => number, members: number, rows: number): Float32Array[] {
  return Array.from({ length: members }, () =>
    Float32Array.from({ length: rows * WIDTH }, () => (random() - 0.5) * 8),
  );
}

describe("bfloat16", () => {
  it("rounds to nearest, ties to even, and says what is not finite", () => {
    const out = new Uint16Array(1);
    const sum = sumsOf(1);
    const round = (value: number) => {
      const isRight = encodeBf16(Float32Array.of(value), 0, 1, out);
      setBf16(out, 1, sum, 0);
      return isRight ? sum.floats[0] : undefined;
    };
    expect(round(1)).toBe(1);
    expect(round(1 + 2 ** -8)).toBe(1);
    expect(round(1 + 3 * 2 ** -8)).toBe(1 + 2 ** -6);
    expect(round(1 + 2 ** -8 + 2 ** -20)).toBe(1 + 2 ** -7);
    expect(round(-0)).toBe(-0);
    expect(Math.abs((round(1e-40) ?? 0) - 1e-40)).toBeLessThan(1e-40);
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, -3.4028234e38]) {
      expect(round(wrong)).toBeUndefined();
    }
    expect(addBf16(Uint16Array.of(0x7fc0), 1, sum, 0, bf16Scratch())).toBe(false);
  });

  it("is within half a unit of the last place for every finite number", () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, min: -(2 ** 100), max: 2 ** 100 }), (x) => {
        const out = new Uint16Array(1);
        const sum = sumsOf(1);
        expect(encodeBf16(Float32Array.of(x), 0, 1, out)).toBe(true);
        setBf16(out, 1, sum, 0);
        expect(Math.abs(sum.floats[0]! - x)).toBeLessThanOrEqual(Math.abs(x) / 256 + 1e-40);
      }),
    );
  });

  it("adds as many as there are, where they belong, and leaves the others", () => {
    const count = 10_000;
    const parts = new Uint16Array(count + 1);
    const values = Float32Array.from({ length: count }, (_, index) => index % 251);
    expect(encodeBf16(values, 0, count, parts)).toBe(true);
    const sums = sumsOf(count + 3);
    sums.floats.fill(1);
    expect(addBf16(parts, count, sums, 2, bf16Scratch())).toBe(true);
    const expected = [1, 1, ...values.map((value) => 1 + value), 1];
    expect(Array.from(sums.floats)).toEqual(expected);
    parts[count - 1] = 0x7f80;
    expect(addBf16(parts, count, sums, 2, bf16Scratch())).toBe(false);
  });
});

describe.each([
  ["bfloat16", bfloat16Format],
  ["float32", float32Format],
])("Exchange of %s", (_, ofThese) => {
  beforeAll(() => {
    format = ofThese;
  });

  const scenario = fc.record({
    members: fc.integer({ min: 2, max: 5 }),
    seed: fc.integer(),
    rounds: fc.array(
      fc.record({
        rows: fc.integer({ min: 1, max: ROWS_MAX }),
        mode: fc.constantFrom<ExchangeMode>("one-shot", "scatter-gather"),
      }),
      { minLength: 1, maxLength: 6 },
    ),
    idle: fc.nat(),
  });

  it("gives every member the same bits, in whatever order frames come between the pairs", () => {
    fc.assert(
      fc.property(scenario, ({ members, seed, rounds, idle }) => {
        const random = seeded(seed);
        // One member may hold no heads, which are the even exchanges.
        const holders = everybody(members);
        holders[0] = holders[0].map((_, at) => at !== idle % (members + 1));
        const all = ring(members, holders);
        const partials = rounds.map(({ rows }) => randomPartials(random, members, rows));
        const xs = all.map(() => rounds.map(({ rows }) => new Float32Array(rows * WIDTH).fill(1)));
        const begun = all.map(() => -1);
        const beginNext = (at: number) => {
          const round = ++begun[at]!;
          const next = rounds[round];
          if (next !== undefined) {
            all[at]!.exchange.begin(partials[round]![at]!, next.rows, next.mode);
          }
        };
        const goOn = (at: number) => {
          while (begun[at]! < rounds.length && all[at]!.exchange.advance()) {
            all[at]!.exchange.take(xs[at]![begun[at]!]!);
            beginNext(at);
          }
        };
        // Each pair has its own ordered pipe, as TCP gives it.
        const pipes = new Map<string, Uint8Array[]>();
        const collect = () => {
          for (const [from, member] of all.entries()) {
            for (const { to, frame } of member.sent.splice(0)) {
              const key = `${from} ${to}`;
              pipes.set(key, [...(pipes.get(key) ?? []), frame]);
            }
          }
        };
        for (const at of all.keys()) beginNext(at);
        for (const at of all.keys()) goOn(at);
        for (;;) {
          collect();
          const open = [...pipes].filter(([, frames]) => frames.length > 0);
          if (open.length === 0) break;
          const [key, frames] = open[Math.floor(random() * open.length)]!;
          const [from, to] = key.split(" ").map(Number) as [number, number];
          deliver(all[to]!, from, frames.shift()!);
          goOn(to);
        }
        expect(begun).toEqual(all.map(() => rounds.length));
        for (const [round, { rows }] of rounds.entries()) {
          const isEven = round % 2 === 0;
          const given = partials[round]!.filter((_, at) => holders[isEven ? 0 : 1][at]);
          for (let at = 0; at < rows * WIDTH; at++) {
            const { sum, slack } = exactSum(given, at);
            expect(Math.abs(xs[0]![round]![at]! - 1 - sum)).toBeLessThanOrEqual(slack);
          }
          for (const x of xs) expect(x[round]).toEqual(xs[0]![round]);
        }
      }),
      { numRuns: 60 },
    );
  });

  const faultOf = (run: () => void): MemberFault => {
    try {
      run();
    } catch (error) {
      return error as MemberFault;
    }
    throw new Error("nothing was thrown");
  };
  const pair = () => ring(2, everybody(2)) as [Member, Member];
  const values = (rows: number, value = 1) => new Float32Array(rows * WIDTH).fill(value);

  it("names who sends twice, too much, too little, out of turn, or what was not asked for", () => {
    const wrongFrames: ((a: Member, frame: Uint8Array) => void)[] = [
      (a, frame) => {
        deliver(a, 1, frame);
        deliver(a, 1, frame);
      },
      (a) => a.exchange.accept(1, FrameKind.partial, 0, new Uint8Array(2 * WIDTH - 2)),
      (a) => a.exchange.accept(1, FrameKind.partial, 0, new Uint8Array(2 * WIDTH + 2)),
      (a) => a.exchange.accept(1, FrameKind.partial, 0, new Uint8Array(2 * WIDTH - 1)),
      (a) => a.exchange.accept(1, FrameKind.scatter, 0, new Uint8Array(WIDTH)),
      (a) => a.exchange.accept(1, FrameKind.gather, 0, new Uint8Array(WIDTH)),
      (a) => a.exchange.accept(1, FrameKind.partial, 4, new Uint8Array(2 * WIDTH)),
      (a) => a.exchange.accept(1, FrameKind.partial, 2 ** 32 - 1, new Uint8Array(2 * WIDTH)),
    ];
    for (const send of wrongFrames) {
      const [a, b] = pair();
      a.exchange.begin(values(1), 1, "one-shot");
      b.exchange.begin(values(1), 1, "one-shot");
      const fault = faultOf(() => send(a, b.sent[0]!.frame));
      expect(fault.position).toBe(1);
      expect(fault.error.code).toBe("MESH_RING_FRAME_INVALID");
    }
  });

  it("refuses a frame of an exchange that is done, and parts of one that holds nothing", () => {
    const [a, b] = pair();
    a.exchange.begin(values(1), 1, "one-shot");
    b.exchange.begin(values(1), 1, "one-shot");
    const { frame } = b.sent[0]!;
    deliver(a, 1, frame);
    expect(a.exchange.advance()).toBe(true);
    a.exchange.take(values(1));
    expect(faultOf(() => deliver(a, 1, frame)).position).toBe(1);
    const [c] = ring(2, [
      [true, false],
      [true, true],
    ]);
    expect(faultOf(() => deliver(c!, 1, frame)).position).toBe(1);
  });

  it("finds numbers that are none in the parts of others and in its own", () => {
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const [a] = pair();
      a.exchange.begin(values(1), 1, "one-shot");
      const parts = payloadOf(new ArrayBuffer(format().valueBytes * WIDTH));
      expect(format().encode(values(1, wrong), 0, WIDTH, parts)).toBe(false);
      a.exchange.accept(1, FrameKind.partial, 0, parts.bytes);
      const theirs = faultOf(() => a.exchange.advance());
      expect(theirs.position).toBe(1);
      expect(theirs.error.code).toBe("MESH_RING_FRAME_INVALID");
      const [own] = pair();
      const mine = faultOf(() => own.exchange.begin(values(1, wrong), 1, "one-shot"));
      expect(mine.position).toBeUndefined();
      expect(mine.error.code).toBe("MESH_ENGINE_FAILED");
    }
  });

  it("says whom it waits for", () => {
    const all = ring(3, everybody(3));
    const [a, b] = all as [Member, Member, Member];
    for (const member of all) member.exchange.begin(values(2), 2, "scatter-gather");
    expect(a.exchange.missing()).toBe(1);
    deliver(a, 1, b.sent.find(({ to }) => to === 0)!.frame);
    expect(a.exchange.missing()).toBe(2);
    expect(a.exchange.advance()).toBe(false);
  });
});

describe("the format of a ring", () => {
  it("is float32 for narrow models, which loses nothing, and half as long for wide ones", () => {
    const exact = Float32Array.of(1 / 3, -1e-30, 3e38);
    for (const [width, valueBytes] of [
      [64, 4],
      [1024, 4],
      [1025, 2],
      [8192, 2],
    ] as const) {
      const wire = wireFormatOf(width);
      expect(wire.valueBytes).toBe(valueBytes);
      const payload = payloadOf(new ArrayBuffer(4 + valueBytes * exact.length), 4);
      expect(wire.encode(exact, 0, exact.length, payload)).toBe(true);
      const sum = sumsOf(exact.length);
      expect(wire.set(payload, exact.length, sum, 0)).toBe(true);
      expect(sum.floats[0]).toBeCloseTo(1 / 3, 2);
      if (valueBytes === 4) expect(sum.floats).toEqual(exact);
    }
  });
});

describe("FrameReader", () => {
  const frames = () => {
    const [a, b] = ring(2, everybody(2)) as [Member, Member];
    for (let round = 0; round < 3; round++) {
      a.exchange.begin(new Float32Array(WIDTH).fill(round), 1, "one-shot");
      b.exchange.begin(new Float32Array(WIDTH), 1, "one-shot");
      deliver(a, 1, b.sent[round]!.frame);
      a.exchange.advance();
      a.exchange.take(new Float32Array(WIDTH));
      deliver(b, 0, a.sent[round]!.frame);
      b.exchange.advance();
      b.exchange.take(new Float32Array(WIDTH));
    }
    return Buffer.concat(a.sent.map(({ frame }) => frame));
  };

  it("reads the same frames however the bytes are cut", () => {
    const bytes = frames();
    const read = (pieces: readonly Uint8Array[]) => {
      const seen: string[] = [];
      const reader = new FrameReader({
        payloadBytesMax: () => format().valueBytes * WIDTH,
        onFrame: (header, payload) =>
          seen.push(`${JSON.stringify(header)} ${Buffer.from(payload).toString("hex")}`),
      });
      for (const piece of pieces) reader.read(piece);
      return seen;
    };
    const whole = read([bytes]);
    expect(whole).toHaveLength(3);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (cuts) => {
        const places = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const pieces = places.slice(1).map((to, at) => bytes.subarray(places[at], to));
        expect(read(pieces)).toEqual(whole);
      }),
      { numRuns: 50 },
    );
  });

  it("refuses by the header alone, and never reads on after random bytes", () => {
    const reader = (max: number) =>
      new FrameReader({ payloadBytesMax: () => max, onFrame: () => undefined });
    const header = frames().subarray(0, HEADER_BYTES);
    expect(() => reader(format().valueBytes * WIDTH - 1).read(header)).toThrow(/bytes/);
    expect(() => reader(-1).read(new Uint8Array(HEADER_BYTES))).toThrow();
    fc.assert(
      fc.property(fc.uint8Array({ minLength: HEADER_BYTES, maxLength: 64 }), (bytes) => {
        try {
          reader(16).read(bytes);
        } catch (error) {
          expect(error).toMatchObject({ code: "MESH_RING_FRAME_INVALID" });
        }
      }),
    );
  });
});

describe("chooseExchange", () => {
  it("takes one step for two members and for single rows, two for long chunks of many", () => {
    const link = new LinkCost();
    expect(chooseExchange(link, 256, 4096, 2)).toBe("one-shot");
    expect(chooseExchange(link, 1, 4096, 4)).toBe("one-shot");
    expect(chooseExchange(link, 256, 4096, 4)).toBe("scatter-gather");
  });

  it("learns what the link takes", () => {
    const link = new LinkCost();
    for (let at = 0; at < 200; at++) link.onExchange(0.05, 4096);
    expect(link.alphaMs).toBeLessThan(0.06);
    for (let at = 0; at < 200; at++) link.onExchange(10 + link.alphaMs, 10_000_000);
    expect(link.bytesPerMs).toBeGreaterThan(900_000);
  });
});

function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

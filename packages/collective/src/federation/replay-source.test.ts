import { describe, expect, it } from "vitest";
import { ReplaySource } from "./replay-source.js";

async function* pieces(count: number, onEnd: () => void = () => undefined) {
  try {
    for (let at = 0; at < count; at++) yield Uint8Array.of(at);
  } finally {
    onEnd();
  }
}

async function take(stream: AsyncIterable<Uint8Array>, count = Number.POSITIVE_INFINITY) {
  const taken: number[] = [];
  if (count === 0) return taken;
  for await (const [byte] of stream) {
    taken.push(byte ?? -1);
    if (taken.length === count) break;
  }
  return taken;
}

describe("a source that can be read again", () => {
  it("begins anew while nothing is safe, and reads on after what was taken", async () => {
    const source = new ReplaySource(pieces(5), 100);
    expect(await take(source.stream(), 3)).toEqual([0, 1, 2]);
    expect(source.isWhole).toBe(true);
    expect(await take(source.stream(), 1)).toEqual([0]);
    expect(await take(source.stream())).toEqual([0, 1, 2, 3, 4]);
    expect(await take(source.stream())).toEqual([0, 1, 2, 3, 4]);
  });

  it("keeps nothing once something is safe, or when it would be too much", async () => {
    const source = new ReplaySource(pieces(5), 100);
    const stream = source.stream();
    await stream.next();
    source.release();
    expect(await take(stream)).toEqual([1, 2, 3, 4]);
    expect(source.isWhole).toBe(false);
    const long = new ReplaySource(pieces(9), 4);
    expect(await take(long.stream())).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(long.isWhole).toBe(false);
  });

  it("gives a reader that takes over what the one before it was waiting for", async () => {
    let give: (piece: IteratorResult<Uint8Array>) => void = () => undefined;
    const next = () =>
      new Promise<IteratorResult<Uint8Array>>((resolve) => {
        give = resolve;
      });
    const source = new ReplaySource({ [Symbol.asyncIterator]: () => ({ next }) }, 100);
    const first = source.stream();
    void first.next();
    const second = source.stream().next();
    await new Promise((resolve) => setImmediate(resolve));
    give({ done: false, value: Uint8Array.of(7) });
    expect(await second).toEqual({ done: false, value: Uint8Array.of(7) });
  });

  it("ends its source, and passes on how it failed", async () => {
    let ended = 0;
    const source = new ReplaySource(
      pieces(3, () => void ended++),
      100,
    );
    await take(source.stream(), 1);
    source.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(ended).toBe(1);
    const broken = new ReplaySource(
      (async function* () {
        yield Uint8Array.of(1);
        throw new Error("the disk went");
      })(),
      100,
    );
    await expect(take(broken.stream())).rejects.toThrow("the disk went");
  });
});

import type { NodeId } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { columnsOf } from "../shards/columns.js";
import { shardsOf } from "../shards/shards-of.js";
import { MODEL_SHAPES } from "../testing/model-shapes.js";
import type { MemberFault } from "./member-fault.js";
import { ResultBook } from "./result-book.js";
import { decodeResult, encodeResult, type StepResult } from "./step-codec.js";

const shards = shardsOf(MODEL_SHAPES.stories260K, columnsOf([1, 1, 1]));
const members = shards.map((shard, position) => ({
  ...{ nodeId: `node${position}` as NodeId, name: `member ${position}`, shard, endpoints: [] },
}));

function result(position: number, hash = 1): StepResult {
  const { from } = shards[position]!.vocabulary;
  const ids = Int32Array.of(from);
  const candidates = { ids, logits: Float32Array.of(position), logSumExp: position + 1 };
  return { hash: [hash, 2], computeMs: 1.5 + position, candidates };
}

function complete(hashes: readonly number[]) {
  const book = new ResultBook(members, 0);
  book.begin(3, 1);
  expect(book.take()).toBeUndefined();
  book.put(0, result(0, hashes[0]));
  for (const position of [2, 1]) {
    expect(book.missing()).toBeDefined();
    book.accept(position, encodeResult(result(position, hashes[position])));
  }
  return book.take();
}

const faultOf = (run: () => unknown): MemberFault => {
  try {
    run();
  } catch (error) {
    return error as MemberFault;
  }
  throw new Error("nothing was thrown");
};

describe("ResultBook", () => {
  it("gives what all members named, in the order of the vocabulary", () => {
    const all = complete([1, 1, 1]);
    expect(all?.candidates.map(({ ids }) => ids[0])).toEqual(
      shards.map(({ vocabulary }) => vocabulary.from),
    );
    expect(all?.computeMs).toBe(3.5);
  });

  it("blames who differs from most, and itself when it is the leader", () => {
    const theirs = faultOf(() => complete([1, 1, 5]));
    expect(theirs).toMatchObject({ position: 2, error: { code: "MESH_RING_DIVERGED" } });
    const own = faultOf(() => complete([5, 1, 1]));
    expect(own).toMatchObject({ position: undefined, error: { code: "MESH_RING_DIVERGED" } });
  });

  it("takes a result once, of the right length, with tokens and logits that can be", () => {
    const rows = shards[1]!.vocabulary;
    const book = new ResultBook(members, 0);
    book.begin(1, 1);
    const right = encodeResult(result(1));
    book.accept(1, right);
    expect(() => book.accept(1, right)).toThrow(/twice/);
    expect(decodeResult(right, 1, rows)).toEqual(result(1));
    const changed = (at: number, write: (view: DataView) => void) => {
      const bytes = right.slice();
      write(new DataView(bytes.buffer, at));
      return bytes;
    };
    const wrong = [
      right.subarray(0, 20),
      right.subarray(0, 24),
      changed(20, (view) => view.setUint32(0, 2, true)),
      changed(24, (view) => view.setUint32(0, rows.to, true)),
      changed(28, (view) => view.setFloat32(0, Number.NaN, true)),
      changed(8, (view) => view.setFloat64(0, Number.POSITIVE_INFINITY, true)),
    ];
    for (const payload of wrong) {
      expect(() => decodeResult(payload, 1, rows)).toThrow(
        expect.objectContaining({ code: "MESH_RING_FRAME_INVALID" }),
      );
    }
  });
});

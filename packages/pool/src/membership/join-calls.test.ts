import { systemRandom } from "@hearthmesh/core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { JoinCallBook } from "./join-call-book.js";
import { type JoinCall, JoinCallCodec } from "./join-call-codec.js";
import { JOIN_CALL_BYTES_MAX, JOIN_CALL_NONCES_MAX } from "./limits.js";
import { type TestMachine, type TestPool, testMachine, testPool } from "./testing/pool-fixture.js";

const NOW_MS = Date.UTC(2026, 10, 21);
const HOUR_MS = 3_600_000;
const random = systemRandom();
let pool: TestPool;
let newcomer: TestMachine;
let codec: JoinCallCodec;

beforeAll(async () => {
  pool = await testPool();
  newcomer = testMachine("device2");
  codec = new JoinCallCodec([pool], random);
});

function call(more: Partial<JoinCall> = {}): Omit<JoinCall, "nodeId"> {
  const number = Buffer.from(random.bytes(16)).toString("hex");
  const rest = { name: "device2", enrolmentPort: 0, addresses: [] };
  return { kind: "call", atMs: NOW_MS, number, ...rest, ...more };
}

function sealed(more: Partial<JoinCall> = {}, nowMs = NOW_MS): Uint8Array {
  return codec.seal(pool.poolId, call(more), newcomer.signer, nowMs);
}

describe("a call on the LAN", () => {
  it("comes back as it was, with the key that signed it", () => {
    const addresses = ["192.0.2.7:9001", "[2001:db8::1]:9001"];
    const sent = call({ kind: "answer", enrolmentPort: 9001, addresses });
    const opened = codec.open(codec.seal(pool.poolId, sent, newcomer.signer, NOW_MS), NOW_MS);
    expect(opened).toEqual({ call: { ...sent, nodeId: newcomer.nodeId }, poolId: pool.poolId });
  });

  it("shows neither pool, key nor name, and looks another way in another hour", () => {
    const bytes = Buffer.from(sealed());
    expect(bytes.includes(Buffer.from(pool.poolId, "hex"))).toBe(false);
    expect(bytes.includes(Buffer.from(pool.poolId, "latin1"))).toBe(false);
    expect(bytes.includes(Buffer.from(newcomer.signer.publicKey.subarray(27)))).toBe(false);
    expect(bytes.includes(Buffer.from("device2"))).toBe(false);
    const later = Buffer.from(sealed({}, NOW_MS + HOUR_MS));
    expect(later.subarray(0, 16).equals(bytes.subarray(0, 16))).toBe(false);
    expect(bytes.length).toBeLessThan(JOIN_CALL_BYTES_MAX);
  });

  it("is understood two hours to either side, and no longer", () => {
    const refusalAt = (hours: number) => codec.open(sealed(), NOW_MS + hours * HOUR_MS).refusal;
    expect([-3, -2, -1, 0, 1, 2, 3].map(refusalAt)).toEqual([
      "foreign",
      ...[undefined, undefined, undefined, undefined, undefined],
      "foreign",
    ]);
  });

  it("is noise to who was told another pool or another root key", async () => {
    const other = await testPool();
    const samePlace = new JoinCallCodec([{ poolId: pool.poolId, root: other.root }], random);
    const sameRoot = new JoinCallCodec([{ poolId: other.poolId, root: pool.root }], random);
    for (const stranger of [samePlace, sameRoot, new JoinCallCodec([], random)]) {
      expect(stranger.open(sealed(), NOW_MS).refusal).toBe("foreign");
    }
  });

  it("never throws, and is never taken, for bytes that somebody changed or made up", () => {
    const good = sealed();
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = Uint8Array.from(good);
        bytes[at] = (bytes[at] ?? 0) ^ flip;
        expect(codec.open(bytes, NOW_MS).call).toBeUndefined();
      }),
      { numRuns: 200 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), fc.boolean(), (bytes, withTag) => {
        const all = withTag ? Buffer.concat([good.subarray(0, 16), bytes]) : bytes;
        expect(codec.open(all, NOW_MS).call).toBeUndefined();
      }),
      { numRuns: 200 },
    );
  });

  it("in the name of another key is forged, though its sender knows the pool", () => {
    const { publicKey } = newcomer.signer;
    const forger = { publicKey, sign: testMachine("forger").signer.sign };
    const bytes = codec.seal(pool.poolId, call(), forger, NOW_MS);
    expect(codec.open(bytes, NOW_MS).refusal).toBe("forged");
  });

  it("is refused for what the format cannot carry", () => {
    const bad: Partial<JoinCall>[] = [
      { name: "No Name" },
      { name: "" },
      { number: "ab" },
      { enrolmentPort: 70_000 },
      { addresses: ["no address"] },
      { addresses: Array(5).fill("192.0.2.1:1") },
      { atMs: Number.NaN },
    ];
    for (const more of bad) expect(() => sealed(more)).toThrow("call: ");
  });
});

describe("which calls are answered", () => {
  const at = (ms: number) => ({ wallMs: NOW_MS + ms, monotonicMs: ms });
  const made = (number: number, atMs = NOW_MS) => ({
    nodeId: newcomer.nodeId,
    number: number.toString(16).padStart(32, "0"),
    atMs,
  });

  it("each once", () => {
    const book = new JoinCallBook(0);
    expect(book.judge(made(1), "192.0.2.1", at(0))).toBe("fresh");
    expect(book.judge(made(1), "192.0.2.9", at(1))).toBe("replayed");
    expect(book.judge(made(1), "192.0.2.1", at(599_000))).toBe("replayed");
    expect(book.judge(made(1), "192.0.2.1", at(601_000))).toBe("stale");
  });

  it("not those of another time", () => {
    const book = new JoinCallBook(0);
    for (const offMs of [-600_001, 600_001]) {
      expect(book.judge(made(1, NOW_MS + offMs), "192.0.2.1", at(0))).toBe("stale");
    }
    expect(book.judge(made(1, NOW_MS - 599_000), "192.0.2.1", at(0))).toBe("fresh");
  });

  it("few a second of one machine, and a noisy one does not silence another", () => {
    const book = new JoinCallBook(0);
    const noisy = Array.from({ length: 50 }, (_, n) => book.judge(made(n), "192.0.2.1", at(0)));
    expect(noisy.filter((one) => one === "fresh")).toHaveLength(6);
    expect(book.judge(made(100), "192.0.2.2", at(0))).toBe("fresh");
    expect(book.judge(made(101), "192.0.2.1", at(1_000))).toBe("fresh");
  });

  it("few a second in all, and the book stays bounded", () => {
    const book = new JoinCallBook(0);
    let fresh = 0;
    for (let n = 0; n < 2 * JOIN_CALL_NONCES_MAX; n++) {
      const host = `198.51.100.${n % 200}`;
      if (book.judge(made(n), host, at(n * 10)) === "fresh") fresh++;
    }
    expect(fresh).toBeLessThanOrEqual(30 + 2 * JOIN_CALL_NONCES_MAX * 0.1 + 1);
  });
});

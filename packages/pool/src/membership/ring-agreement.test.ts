import { canonicalJson } from "@hearthmesh/core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { MemberStatement } from "./member-statement.js";
import { RingAgreement, readDigest } from "./ring-agreement.js";
import { ringOf } from "./ring-of.js";
import { type TestMachine, type TestPool, testMachine, testPool } from "./testing/pool-fixture.js";

let pool: TestPool;
let other: TestPool;
let admin: TestMachine;
let second: TestMachine;
let third: TestMachine;
let stranger: TestMachine;

beforeAll(async () => {
  pool = await testPool();
  other = await testPool();
  [admin, second, third, stranger] = ["one", "two", "three", "four"].map(testMachine) as [
    TestMachine,
    TestMachine,
    TestMachine,
    TestMachine,
  ];
});

type Said = { roster: unknown } | { statement: unknown };

function heard(said: readonly Said[]): RingAgreement {
  const agreement = new RingAgreement(pool.poolId, pool.root);
  for (const one of said) {
    if ("roster" in one) agreement.offerRoster(one.roster);
    else agreement.offerStatement(one.statement);
  }
  return agreement;
}

/** What honest machines said in the life of a pool. */
function honest(): Said[] {
  return [
    { roster: pool.roster(1, [admin]) },
    { roster: pool.roster(2, [admin, second]) },
    { roster: pool.roster(3, [admin, second, third]) },
    { roster: pool.roster(4, [admin, third], { removed: [second.nodeId] }) },
    { statement: pool.statement(admin, 1) },
    { statement: pool.statement(admin, 2, 3) },
    { statement: pool.statement(second, 1, 5) },
    { statement: pool.statement(third, 1) },
    { statement: pool.statement(third, 7, 2) },
  ];
}

/** What an attacker can send who has everything that was ever said, and a key of its own. */
function hostile(): Said[] {
  const statement = pool.statement(third, 3);
  const roster = pool.roster(3, [admin, second, third]);
  const foreign = other.roster(99, [stranger]);
  return [
    { roster: { ...roster, version: 99 } },
    { roster: { ...roster, members: roster.members.slice(1), version: 98 } },
    { roster: { ...roster, extra: "field" } },
    { roster: foreign },
    { roster: { ...foreign, poolId: pool.poolId } },
    { roster: null },
    { statement: { ...statement, sequence: 1_000 } },
    { statement: { ...statement, capacity: 1_000_000 } },
    { statement: { ...pool.statement(stranger, 1_000), nodeId: third.nodeId } },
    { statement: signedAs(third, stranger) },
    { statement: { ...pool.statement(third, 7, 2), zz: "unsigned" } },
    { statement: other.statement(third, 1_000) },
    { statement: { ...statement, endpoints: Array(1_000).fill("a:1") } },
    { statement: { ...statement, capacity: 0 } },
    { statement: { ...statement, capacity: Number.NaN } },
    { statement: "text" },
  ];
}

/** By the key of another one, which signed all of it. */
function signedAs(claimed: TestMachine, signer: TestMachine): unknown {
  const { signature: _signature, ...said } = pool.statement(signer, 1_000);
  const unsigned = { ...said, nodeId: claimed.nodeId };
  const bytes = Buffer.from(`hearthmesh-pool-member-v1\n${canonicalJson(unsigned)}`);
  const signature = Buffer.from(signer.signer.sign(bytes)).toString("base64");
  return { ...unsigned, signature };
}

function deep(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = [value];
  return value;
}

describe("the agreement on a ring", () => {
  it("is the same whatever the order, and however often things come", () => {
    const all = honest();
    const expected = ringOf(heard(all));
    fc.assert(
      fc.property(
        fc.shuffledSubarray(all, { minLength: all.length }),
        fc.array(fc.constantFrom(...all), { maxLength: 12 }),
        (order, repeated) => {
          const agreement = heard([...repeated, ...order, ...repeated]);
          expect(ringOf(agreement)).toEqual(expected);
          expect(agreement.digest()).toEqual(heard(all).digest());
        },
      ),
      { numRuns: 60 },
    );
    expect(expected.places.map(({ nodeId }) => nodeId)).toEqual([admin.nodeId, third.nodeId]);
  });

  it("is not moved by forgeries, replays of other pools and nonsense", () => {
    const all = honest();
    const expected = ringOf(heard(all));
    fc.assert(
      fc.property(
        fc.shuffledSubarray([...all, ...hostile()], { minLength: all.length + hostile().length }),
        (order) => {
          expect(ringOf(heard(order))).toEqual(expected);
        },
      ),
      { numRuns: 40 },
    );
    const nested = { ...other.roster(99, [stranger]), poolId: pool.poolId, members: deep(5_000) };
    expect(heard([]).offerRoster(nested)).toBe("refused");
    for (const one of hostile()) {
      const fresh = heard([]);
      const answer =
        "roster" in one ? fresh.offerRoster(one.roster) : fresh.offerStatement(one.statement);
      expect([one, answer]).toEqual([one, "refused"]);
    }
  });

  it("never lets version, sequence or epoch fall", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...honest()), { maxLength: 20 }), (said) => {
        const agreement = heard([]);
        let before = ringOf(agreement).epoch;
        for (const one of said) {
          if ("roster" in one) agreement.offerRoster(one.roster);
          else agreement.offerStatement(one.statement);
          const { epoch } = ringOf(agreement);
          expect(epoch).toBeGreaterThanOrEqual(before);
          before = epoch;
        }
      }),
      { numRuns: 40 },
    );
  });

  it("does not look at the signature of what is not newer", () => {
    const agreement = heard([{ statement: pool.statement(third, 9) }]);
    const old = { ...pool.statement(third, 8), signature: `${"A".repeat(86)}==` };
    expect(agreement.offerStatement(old)).toBe("known");
    agreement.offerRoster(pool.roster(5, [admin]));
    const oldRoster = { ...pool.roster(4, [admin]), signature: "" };
    expect(agreement.offerRoster(oldRoster)).toBe("known");
  });

  it("settles on one of two that a signer made with the same number", () => {
    const one = pool.roster(2, [admin, second]);
    const two = pool.roster(2, [admin, third]);
    const a = heard([{ roster: one }, { roster: two }]);
    const b = heard([{ roster: two }, { roster: one }]);
    expect(ringOf(a)).toEqual(ringOf(b));
    const said = [pool.statement(third, 4, 2), pool.statement(third, 4, 3)] as const;
    const first = heard(said.map((statement) => ({ statement })));
    const last = heard([...said].reverse().map((statement) => ({ statement })));
    expect(first.statementOf(third.nodeId)).toMatchObject({
      capacity: last.statementOf(third.nodeId)?.capacity,
    });
  });

  it("keeps few statements of machines that the roster does not name", () => {
    const agreement = heard([{ roster: pool.roster(1, [admin]) }]);
    const strangers = Array.from({ length: 40 }, (_, at) => testMachine(`stranger-${at}`));
    agreement.offerStatement(pool.statement(admin, 1));
    for (const machine of strangers) agreement.offerStatement(pool.statement(machine, 1));
    const kept = strangers.filter(({ nodeId }) => agreement.statementOf(nodeId) !== undefined);
    expect(kept.length).toBe(16);
    expect(agreement.statementOf(admin.nodeId)).toBeDefined();
    expect(ringOf(agreement).places).toHaveLength(1);
  });
});

describe("what one node tells another", () => {
  it("brings both to the same in two messages", () => {
    fc.assert(
      fc.property(fc.subarray(honest()), fc.subarray(honest()), (left, right) => {
        const a = heard([{ roster: pool.roster(1, [admin]) }, ...left]);
        const b = heard([{ roster: pool.roster(1, [admin]) }, ...right]);
        give(a, b);
        give(b, a);
        give(a, b);
        expect(ringOf(a)).toEqual(ringOf(b));
        expect(a.newsFor(b.digest())).toBeUndefined();
        expect(b.newsFor(a.digest())).toBeUndefined();
      }),
      { numRuns: 40 },
    );
  });

  it("is nothing but the roster for one that was removed", () => {
    const agreement = heard(honest());
    expect(agreement.isRemoved(second.nodeId)).toBe(true);
    const news = agreement.newsFor(undefined, false);
    expect(news?.roster?.version).toBe(4);
    expect(news?.statements).toEqual([]);
  });

  it("reads digests of others with care", () => {
    for (const bad of [
      null,
      1,
      {},
      { poolId: "x", version: 1, rosterHash: "", statements: { a: 1 } },
    ]) {
      expect(readDigest(bad)).toBeUndefined();
    }
    expect(readDigest(heard(honest()).digest())).toBeDefined();
  });
});

describe("the ring", () => {
  it("gives two equal members 4,096 columns each, the admin first", () => {
    const { places } = ringOf(heard([{ roster: pool.roster(1, [admin, second]) }]));
    expect(places.map(({ position, columns }) => [position, columns])).toEqual([
      [0, { from: 0, to: 4096 }],
      [1, { from: 4096, to: 8192 }],
    ]);
  });

  it("follows the capacities that the members say themselves", () => {
    const said = [{ statement: pool.statement(second, 1, 3) }];
    const before = ringOf(heard([{ roster: pool.roster(1, [admin, second]) }]));
    const after = ringOf(heard([{ roster: pool.roster(1, [admin, second]) }, ...said]));
    expect(after.places.map(({ columns }) => columns.to - columns.from)).toEqual([2048, 6144]);
    expect(after.epoch).toBeGreaterThan(before.epoch);
  });
});

function give(from: RingAgreement, to: RingAgreement): void {
  const news = from.newsFor(to.digest());
  if (news?.roster !== undefined) to.offerRoster(news.roster);
  for (const statement of news?.statements ?? ([] as MemberStatement[]))
    to.offerStatement(statement);
}

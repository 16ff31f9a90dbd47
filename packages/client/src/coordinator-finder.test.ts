import { MeshError, type NodeId } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  COORDINATORS_KNOWN_MAX,
  type CoordinatorContact,
  CoordinatorFinder,
  type KnownCoordinators,
  parseKnownCoordinators,
} from "./coordinator-finder.js";

const MINUTE_MS = 60_000;
const idOf = (at: number) => String.fromCharCode(97 + at).repeat(52) as NodeId;

function contact(at: number, addresses = 1): CoordinatorContact {
  const of = (port: number) =>
    Array.from({ length: addresses }, (_, n) => `10.0.${n}.${at + 1}:${port}`);
  const [apiAddresses, linkAddresses, enrolmentAddresses] = [of(8001), of(9000), of(9001)];
  return { nodeId: idOf(at), name: `c${at}`, apiAddresses, linkAddresses, enrolmentAddresses };
}

const told = (leader: number, ...all: number[]) => ({
  coordinators: all.map((at) => ({ ...contact(at), isLeader: at === leader })),
});
const away = new MeshError("MESH_UNREACHABLE");
const order = (finder: CoordinatorFinder) => finder.contacts.map(({ name }) => name).join(" ");

describe("the coordinators that are known", () => {
  it("begins with the one of the invite, learns the others and keeps what it learnt", async () => {
    const kept: KnownCoordinators[] = [];
    const keep = async (known: KnownCoordinators) => void kept.push(known);
    const finder = new CoordinatorFinder(contact(0), undefined, keep);
    expect(order(finder)).toBe("c0");
    expect(finder.isDue(0)).toBe(true);
    await finder.learn(told(2, 0, 1, 2), 1_000);
    expect(order(finder)).toBe("c2 c0 c1");
    expect(finder.isDue(9 * MINUTE_MS)).toBe(false);
    expect(finder.isDue(11 * MINUTE_MS)).toBe(true);
    // A clock that was set back must not stop the learning for years.
    expect(finder.isDue(0)).toBe(true);
    const later = new CoordinatorFinder(
      contact(0),
      parseKnownCoordinators(JSON.stringify(kept[0])),
    );
    expect(order(later)).toBe("c2 c0 c1");
    expect(parseKnownCoordinators("{")).toBeUndefined();
    expect(parseKnownCoordinators('{"contacts":[{}],"learntAtMs":1}')).toBeUndefined();
  });

  it("asks whoever answered first, and whoever did not last", async () => {
    const finder = new CoordinatorFinder(contact(0));
    await finder.learn(told(0, 0, 1, 2), 0);
    finder.failed("10.0.0.1:8001", away);
    expect(order(finder)).toBe("c1 c2 c0");
    expect(finder.isDue(1)).toBe(true);
    finder.answered("10.0.0.3:8001");
    expect(order(finder)).toBe("c2 c1 c0");
    // The leader that did not answer goes behind those that may.
    await finder.learn(told(0, 0, 1, 2), 0);
    expect(order(finder)).toBe("c1 c2 c0");
    finder.answered(idOf(0));
    expect(order(finder)).toBe("c0 c1 c2");
  });

  it("tries all addresses of one before it counts as lost, and then the one that worked", () => {
    const finder = new CoordinatorFinder(contact(0, 3), {
      contacts: [contact(0, 3), contact(1)],
      learntAtMs: 0,
    });
    finder.failed("10.0.0.1:8001", away);
    finder.failed("10.0.1.1:8001", away);
    expect(order(finder)).toBe("c0 c1");
    finder.answered("10.0.2.1:8001");
    expect(finder.addresses("apiAddresses")).toEqual([
      "10.0.2.1:8001",
      "10.0.0.1:8001",
      "10.0.1.1:8001",
      "10.0.0.2:8001",
    ]);
  });

  it("goes to the leader that another one names, also when it was not known", () => {
    const finder = new CoordinatorFinder(contact(0));
    const leader = { ...contact(3), isLeader: true };
    finder.failed(idOf(0), new MeshError("MESH_NOT_LEADER", { details: { leader } }));
    expect(order(finder)).toBe("c3 c0");
    for (const wrong of [
      undefined,
      null,
      "c3",
      {},
      { nodeId: "x" },
      { ...leader, apiAddresses: 1 },
    ]) {
      finder.failed(idOf(3), new MeshError("MESH_NOT_LEADER", { details: { leader: wrong } }));
      expect(order(finder)).toBe("c3 c0");
    }
  });

  it("refuses lists that are none, and stays as it was", async () => {
    const finder = new CoordinatorFinder(contact(0));
    const tooMany = told(0, ...Array.from({ length: COORDINATORS_KNOWN_MAX + 1 }, (_, at) => at));
    const badAddress = { ...contact(1), linkAddresses: ["no address at all"] };
    const wrong = [null, {}, { coordinators: [] }, tooMany, { coordinators: [badAddress] }];
    for (const answer of wrong) {
      await expect(finder.learn(answer, 5)).rejects.toMatchObject({ name: "MeshError" });
    }
    expect(order(finder)).toBe("c0");
    expect(finder.isDue(5)).toBe(true);
  });

  it("never forgets the one of the invite, has each once, and stays bounded", async () => {
    const at = fc.nat({ max: 20 });
    const event = fc.oneof(
      fc.record({ kind: fc.constant("answered" as const), at }),
      fc.record({ kind: fc.constant("failed" as const), at }),
      fc.record({ kind: fc.constant("leader" as const), at }),
      fc.record({
        kind: fc.constant("learn" as const),
        at,
        all: fc.uniqueArray(at, { minLength: 1, maxLength: COORDINATORS_KNOWN_MAX }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 30 }), async (events) => {
        const finder = new CoordinatorFinder(contact(0));
        for (const one of events) {
          if (one.kind === "answered") finder.answered(idOf(one.at));
          else if (one.kind === "failed") finder.failed(`10.0.0.${one.at + 1}:8001`, away);
          else if (one.kind === "learn") await finder.learn(told(one.at, ...one.all), 0);
          else {
            const details = { leader: contact(one.at) };
            finder.failed(idOf(0), new MeshError("MESH_NOT_LEADER", { details }));
          }
          const ids = finder.contacts.map(({ nodeId }) => nodeId);
          expect(ids).toContain(idOf(0));
          expect(new Set(ids).size).toBe(ids.length);
          expect(ids.length).toBeLessThanOrEqual(COORDINATORS_KNOWN_MAX);
        }
      }),
      { numRuns: 200 },
    );
  });
});

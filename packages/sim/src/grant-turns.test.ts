import { MeshError } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { type GrantKeeper, runGrantTurns } from "./grant-turns.js";
import type { MeshClient } from "./mesh-client.js";
import { seededRandom } from "./seeded-random.js";
import { createTrace } from "./trace.js";
import { Violations } from "./violations.js";
import { virtualClock } from "./virtual-clock.js";

/** What an attempt comes to, by whether the grant is there. */
type Behaviour = (isGiven: boolean) => Promise<never> | Promise<undefined>;

const forbid = () => Promise.reject(new MeshError("MESH_FORBIDDEN"));
const done = () => Promise.resolve(undefined);

async function violationsWith(behave: Behaviour, change: Partial<GrantKeeper> = {}) {
  const clock = virtualClock({ startMs: 0 });
  const trace = createTrace({ clock });
  const violations = new Violations(trace);
  let isGiven = false;
  const run = () => behave(isGiven);
  const client = {
    ...{ write: run, read: run, list: run, stat: run, makeDirectory: run, move: run, remove: run },
    name: "wanda",
  } as unknown as MeshClient;
  const keeper: GrantKeeper = {
    give: async () => {
      isGiven = true;
      return "one";
    },
    take: async () => {
      isGiven = false;
    },
    ...change,
  };
  const random = seededRandom("wanda");
  const options = { client, keeper, clock, trace, violations, random, turns: 6, path: "/drop" };
  await clock.runUntilSettled(runGrantTurns(options), 10_000_000);
  return violations.list.join("\n");
}

describe("a grant that comes and goes", () => {
  it("must allow while it is there, and only then", async () => {
    expect(await violationsWith((isGiven) => (isGiven ? done() : forbid()))).toBe("");
    expect(await violationsWith(forbid)).toContain("was refused");
    expect(await violationsWith(done)).toContain("was allowed");
  });

  it("must tell nothing while it is not there", async () => {
    const missing = () => Promise.reject(new MeshError("MESH_PATH_NOT_FOUND"));
    const telling = (isGiven: boolean) => (isGiven ? done() : missing());
    expect(await violationsWith(telling)).toContain("MESH_PATH_NOT_FOUND");
  });

  it("turns again when the coordinator was away, and when the answer was lost", async () => {
    let attempts = 0;
    const keeper: Partial<GrantKeeper> = {
      give: async () => {
        if (++attempts % 3 !== 0) throw new MeshError("MESH_UNREACHABLE");
        return "one";
      },
      take: () => Promise.reject(new MeshError("MESH_GRANT_UNKNOWN")),
    };
    const unreachable = () => Promise.reject(new MeshError("MESH_UNREACHABLE"));
    expect(await violationsWith(unreachable, keeper)).toBe("");
    expect(attempts).toBe(18);
  });
});

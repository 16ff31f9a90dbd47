import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { silentLogger, systemClock, systemRandom, type TrustDomain } from "@hearthmesh/core";
import {
  createCertificateRequest,
  createMemberCa,
  generateKeyPair,
  parseGrant,
} from "@hearthmesh/identity";
import { openSqliteStore } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Authority } from "./authority.js";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(joinPath(tmpdir(), "authority-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe("on the engine that ships", () => {
  it("one of many wins a single-use invite, and a restart remembers it all", async () => {
    const clock = systemClock();
    const random = systemRandom();
    const member = { memberId: "alice", trustDomain: "home.alice" as TrustDomain };
    const ca = await createMemberCa({ ...member, clock, random });
    const open = async () => {
      const store = await openSqliteStore({ directory, clock, log: silentLogger });
      const options = { ...member, store, ca, clock, random, log: silentLogger };
      return { store, authority: await Authority.open(options) };
    };
    const request = () => createCertificateRequest(generateKeyPair());
    const first = await open();
    await first.authority.enrolCoordinator({ csrPem: await request(), name: "hub" });
    const operator = first.authority.localOperator();
    const { code } = await first.authority.createInvite(operator, {
      kind: "person",
      grants: [parseGrant("/shared:rw")],
      validityMs: 60_000,
      endpoints: [],
    });
    const attempts = Array.from({ length: 20 }, async (_, index) =>
      first.authority.enrol({
        inviteId: code.id,
        secret: code.secret,
        csrPem: await request(),
        kind: "person",
        name: `guest-${index}`,
      }),
    );
    const outcomes = await Promise.allSettled(attempts);
    const winners = outcomes.filter((outcome) => outcome.status === "fulfilled");
    expect(winners).toHaveLength(1);
    const winner = winners[0]!.value;
    await first.authority.revoke(operator, winner.name, "over");
    await first.authority.close();
    await first.store.close();

    const second = await open();
    expect(second.authority.identity(winner.nodeId)?.revokedAtMs).toBeTypeOf("number");
    expect(second.authority.isRevoked(winner.nodeId)).toBe(true);
    expect(second.authority.localOperator()).toEqual(operator);
    expect((await second.authority.listInvites())[0]?.uses).toHaveLength(1);
    const { records } = await second.authority.auditTrail();
    expect(records.map(({ action }) => action)).toContain("identity.revoke");
    await second.authority.close();
    await second.store.close();
  });
});

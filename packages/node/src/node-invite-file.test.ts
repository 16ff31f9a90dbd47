import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Authority } from "@hearthmesh/collective";
import {
  parseMemberId,
  parseTrustDomain,
  silentLogger,
  systemClock,
  systemRandom,
} from "@hearthmesh/core";
import {
  createCertificateRequest,
  createMemberCa,
  generateKeyPair,
  type InviteRecord,
  parseInvite,
} from "@hearthmesh/identity";
import { memoryStore } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isGoodForNodes, NodeInviteFile } from "./node-invite-file.js";

const DAY_MS = 86_400_000;
const clock = systemClock();
const tools = { clock, random: systemRandom(), log: silentLogger };

async function openAuthority(): Promise<Authority> {
  const memberId = parseMemberId("alice");
  const member = { memberId, trustDomain: parseTrustDomain("home.alice") };
  const ca = await createMemberCa({ ...member, ...tools });
  const store = memoryStore({ clock });
  const authority = await Authority.open({ ...member, ...tools, store, ca });
  const csrPem = await createCertificateRequest(generateKeyPair());
  const names = { dnsNames: [], ipAddresses: [] };
  await authority.enrolCoordinator({ csrPem, name: "alice-coordinator", ...names });
  return authority;
}

describe("the file with an invite for storage nodes", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "hearthmesh-invite-file-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("is kept while it is good, and replaced when it is not", async () => {
    const authority = await openAuthority();
    const path = join(folder, "join", "storage-nodes");
    const address = { host: "172.20.0.10", port: 9001 };
    let endpoints = () => [address];
    const start = async () => {
      const file = new NodeInviteFile({ path, endpoints, authority, ...tools });
      await file.start();
      await file.stop();
      return readFileSync(path, "utf8").trim();
    };
    const first = parseInvite(await start());
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(first.endpoints).toEqual(endpoints());
    expect(parseInvite(await start()), "a restart keeps it").toEqual(first);
    const [made, ...others] = await authority.listInvites();
    expect(others).toEqual([]);
    expect(made).toMatchObject({ id: first.id, kind: "node", roles: ["storage"], grants: [] });

    await authority.revokeInvite(authority.localOperator(), first.id);
    const second = parseInvite(await start());
    expect(second.id).not.toBe(first.id);

    // A container that is started again has another address.
    endpoints = () => [{ host: "172.20.0.11", port: 9001 }, address];
    const third = parseInvite(await start());
    expect(third.endpoints).toEqual(endpoints());
    const open = (await authority.listInvites()).filter((one) => one.revokedAtMs === undefined);
    expect(open.map(({ id }) => id)).toEqual([third.id]);
    // That one of them is gone is no reason: newcomers try all.
    endpoints = () => [address];
    expect(parseInvite(await start())).toEqual(third);
    endpoints = () => [];
    expect(parseInvite(await start())).toEqual(third);
    await authority.close();
  });

  it("is not good when it is revoked, used up, or in its second half", () => {
    const nowMs = clock.nowMs();
    const good = { uses: [], maxUses: 1, notAfterMs: nowMs + 7 * DAY_MS };
    const isGood = (more: object, atMs = nowMs) =>
      isGoodForNodes({ ...good, ...more } as unknown as InviteRecord, atMs);
    expect(isGood({})).toBe(true);
    expect(isGood({ revokedAtMs: nowMs })).toBe(false);
    expect(isGood({ maxUses: 0 })).toBe(false);
    expect(isGood({}, nowMs + 4 * DAY_MS)).toBe(false);
  });
});

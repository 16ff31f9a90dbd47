/** An authority over a memory store with a clock that tests move, and newcomers for it. */
import {
  type Clock,
  type GlobalId,
  type Random,
  silentLogger,
  systemRandom,
  type TrustDomain,
} from "@hearthmesh/core";
import {
  createCertificateRequest,
  createMemberCa,
  decodePem,
  generateKeyPair,
  type KeyPairPem,
  type MemberCa,
  type NodeRole,
  type Principal,
  parseGrant,
} from "@hearthmesh/identity";
import { memoryStore, type Store } from "@hearthmesh/store";
import { Authority } from "../authority.js";
import type { EnrolResult } from "../identity-write.js";
import type { CreatedInvite } from "../invites.js";

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

interface TestClock extends Clock {
  advance(byMs: number): void;
}

/** Starts on 2026-11-21; only `advance` moves it. */
function testClock(): TestClock {
  let passedMs = 0;
  const startMs = Date.UTC(2026, 10, 21);
  return {
    nowMs: () => startMs + passedMs,
    monotonicMs: () => passedMs,
    setTimeout: () => ({ cancel: () => undefined }),
    advance: (byMs) => {
      passedMs += byMs;
    },
  };
}

export interface AuthorityFixture {
  authority: Authority;
  store: Store;
  ca: MemberCa;
  clock: TestClock;
  random: Random;
  /** The coordinator's own user. */
  operator: Principal;
  reopen(store?: Store): Promise<Authority>;
  invitePerson(grants: string[], more?: InviteMore): Promise<CreatedInvite>;
  inviteNode(
    more?: InviteMore & { nodeName?: string; roles?: readonly NodeRole[] },
  ): Promise<CreatedInvite>;
  /** Redeems with a key of its own, or the one given. */
  join(invite: CreatedInvite, name: string, key?: KeyPairPem): Promise<Joined>;
}

interface InviteMore {
  maxUses?: number;
  validityMs?: number;
  by?: Principal;
}

interface Joined {
  key: KeyPairPem;
  result: EnrolResult;
  principal: Principal;
}

export async function authorityFixture(
  wrapStore: (store: Store) => Store = (store) => store,
  {
    severalCoordinators = false,
    memberId = "alice",
    trustDomain = `home.${memberId}` as TrustDomain,
    clock = testClock(),
  } = {},
): Promise<AuthorityFixture> {
  const random = systemRandom();
  const ca = await createMemberCa({
    memberId,
    trustDomain,
    clock,
    random,
  });
  const store = wrapStore(memoryStore({ clock }));
  const open = (from: Store) =>
    Authority.open({
      store: from,
      ca,
      memberId,
      trustDomain,
      severalCoordinators,
      clock,
      random,
      log: silentLogger,
    });
  const authority = await open(store);
  const csrPem = await createCertificateRequest(generateKeyPair());
  await authority.enrolCoordinator({ csrPem, name: `${memberId}-hub` });
  const operator = authority.localOperator();
  const endpoints = [{ host: "alice.example", port: 9001 }];
  return {
    authority,
    store,
    ca,
    clock,
    random,
    operator,
    reopen: (from = store) => open(from),
    invitePerson: (grants, { by = operator, validityMs = DAY_MS, ...more } = {}) =>
      authority.createInvite(by, {
        kind: "person",
        grants: grants.map(parseGrant),
        endpoints,
        validityMs,
        ...more,
      }),
    inviteNode: ({ by = operator, validityMs = DAY_MS, ...more } = {}) =>
      authority.createInvite(by, { kind: "node", endpoints, validityMs, ...more }),
    async join(invite, name, key = generateKeyPair()) {
      const request = await createCertificateRequest(key);
      const { id: inviteId, secret } = invite.code;
      const { kind } = invite.record;
      const result = await authority.enrol({ inviteId, secret, csrPem: request, kind, name });
      const chain = [decodePem("CERTIFICATE", result.certificatePem)];
      return { key, result, principal: authority.principal(chain) };
    },
  };
}

export const carol = "carol@office.carol" as GlobalId;

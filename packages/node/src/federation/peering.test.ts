/** When other members are spoken to: a clock that the test moves, and authorities that are real. */
import { Authority } from "@hearthmesh/collective";
import {
  type Clock,
  MeshError,
  type Random,
  silentLogger,
  systemRandom,
  type TrustDomain,
} from "@hearthmesh/core";
import {
  createCertificateRequest,
  createMemberCa,
  generateKeyPair,
  parsePeering,
} from "@hearthmesh/identity";
import { memoryStore } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CredentialHolder } from "../credential-holder.js";
import { Peering, type PeerSpeech } from "./peering.js";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** The middle of every span that is drawn. */
const random: Random = { bytes: systemRandom().bytes, float: () => 0.5 };

/** Timers fire when the test moves the time, in their order. */
function movedClock() {
  const startMs = Date.UTC(2026, 10, 21);
  let passedMs = 0;
  let timers: { atMs: number; callback: () => void }[] = [];
  const clock: Clock = {
    nowMs: () => startMs + passedMs,
    monotonicMs: () => passedMs,
    setTimeout(callback, delayMs) {
      const timer = { atMs: passedMs + delayMs, callback };
      timers.push(timer);
      return { cancel: () => (timers = timers.filter((one) => one !== timer)) };
    },
  };
  /** Everything that was started before a timer ends before the next one fires. */
  const settle = async () => {
    for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  async function advance(byMs: number): Promise<void> {
    const endMs = passedMs + byMs;
    for (;;) {
      await settle();
      const [next] = timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      passedMs = Math.max(passedMs, next.atMs);
      timers = timers.filter((one) => one !== next);
      next.callback();
    }
    passedMs = endMs;
    await settle();
  }
  return { clock, advance };
}

type Moved = ReturnType<typeof movedClock>;

async function memberOf({ clock }: Moved, memberId: string): Promise<Authority> {
  const trustDomain = `home.${memberId}`;
  const common = { memberId, trustDomain, clock, random: systemRandom() };
  const ca = await createMemberCa(common);
  const store = memoryStore({ clock });
  const authority = await Authority.open({ ...common, store, ca, log: silentLogger });
  const csrPem = await createCertificateRequest(generateKeyPair());
  await authority.enrolCoordinator({ csrPem, name: `${memberId}-hub` });
  return authority;
}

const actor = (authority: Authority) => ({ principal: authority.localOperator() });
const bobsDomain = "home.bob" as TrustDomain;
let moved: Moved;
let alice: Authority;
let bob: Authority;
let peering: Peering;
let saidAtMs: number[] = [];
let farewellsAtMs: number[] = [];
let isAway = false;
let isSilent = false;
let leads = true;

beforeEach(async () => {
  moved = movedClock();
  [alice, bob] = await Promise.all([memberOf(moved, "alice"), memberOf(moved, "bob")]);
  saidAtMs = [];
  farewellsAtMs = [];
  isAway = false;
  isSilent = false;
  leads = true;
  const { clock } = moved;
  const away = () => new MeshError("MESH_UNREACHABLE", { message: "nobody answers" });
  const speech: PeerSpeech = {
    async redeem(_code, redemption) {
      await bob.peers.redeem(redemption);
      return bob.peers.ownBundle();
    },
    async exchange(_peer, bundle, { signal }) {
      saidAtMs.push(clock.monotonicMs());
      if (isSilent) {
        await new Promise((_resolve, reject) =>
          signal?.addEventListener("abort", () => reject(new Error("aborted"))),
        );
      }
      if (isAway) throw away();
      await bob.peers.refresh("home.alice" as TrustDomain, bundle);
      return bob.peers.ownBundle();
    },
    async farewell() {
      farewellsAtMs.push(clock.monotonicMs());
      if (isAway) throw away();
    },
  };
  const tools = { clock, random, log: silentLogger };
  const credentials = { current: {} } as CredentialHolder;
  peering = new Peering({ peers: alice.peers, credentials, leads: () => leads, speech, ...tools });
});
afterEach(async () => {
  await peering.stop();
  await Promise.all([alice.close(), bob.close()]);
});

async function befriend() {
  const made = await bob.peers.createInvite(actor(bob), {
    validityMs: DAY_MS,
    endpoints: [{ host: "bob.example", port: 9001 }],
  });
  const { signal } = new AbortController();
  expect(parsePeering(made.text).memberId).toBe("bob");
  return peering.accept(actor(alice), { code: made.text, alias: "bob", signal });
}

describe("bundles are exchanged", () => {
  it("at once, then every five minutes", async () => {
    const peer = await befriend();
    expect(peering.exchangeWith(peer).state).toBe("ok");
    await peering.start();
    await moved.advance(11 * MINUTE_MS);
    expect(saidAtMs).toEqual([0, 5 * MINUTE_MS, 10 * MINUTE_MS]);
  });

  it("at once when a key is revoked, and not by a coordinator that does not lead", async () => {
    await befriend();
    await peering.start();
    await moved.advance(1_000);
    const invite = await alice.createInvite(alice.localOperator(), {
      kind: "person",
      grants: [{ path: "/", rights: ["read"], effect: "allow" }],
      validityMs: DAY_MS,
      endpoints: [],
    });
    const { id: inviteId, secret } = invite.code;
    const csrPem = await createCertificateRequest(generateKeyPair());
    const dora = await alice.enrol({ inviteId, secret, csrPem, kind: "person", name: "dora" });
    await alice.revoke(alice.localOperator(), dora.nodeId, "lost");
    peering.tellSoon();
    await moved.advance(0);
    expect(saidAtMs).toEqual([0, 1_000]);
    expect(bob.peers.isRevoked("home.alice" as TrustDomain, dora.nodeId)).toBe(true);
    leads = false;
    await moved.advance(30 * MINUTE_MS);
    expect(saidAtMs).toHaveLength(2);
  });

  it("later and later with a peer that is away, and at once when it is back in time", async () => {
    const peer = await befriend();
    isAway = true;
    await peering.start();
    await moved.advance(30_000);
    const gaps = saidAtMs.slice(1).map((atMs, i) => atMs - (saidAtMs[i] ?? 0));
    expect(gaps).toEqual([1_750, 3_500, 7_000, 14_000]);
    expect(peering.exchangeWith(peer)).toMatchObject({
      state: "unreachable",
      lastOkMs: 1_795_219_200_000,
    });
    await moved.advance(60 * MINUTE_MS);
    const last = saidAtMs.slice(-2);
    expect((last[1] ?? 0) - (last[0] ?? 0)).toBeLessThanOrEqual(5 * MINUTE_MS);
    expect(saidAtMs.length).toBeLessThan(30);
    isAway = false;
    await moved.advance(5 * MINUTE_MS);
    expect(peering.exchangeWith(peer).state).toBe("ok");
  });

  it("for half a minute at most with a peer that lets this one wait", async () => {
    const peer = await befriend();
    isSilent = true;
    await peering.start();
    await moved.advance(29_000);
    expect(peering.exchangeWith(peer).state).toBe("ok");
    await moved.advance(2_000);
    const { state, reason } = peering.exchangeWith(peer);
    expect([state, reason]).toEqual(["unreachable", "no answer came within 30 s"]);
  });

  it("anew before they are old", async () => {
    await befriend();
    await peering.start();
    const before = alice.peers.get(bobsDomain)?.sequence ?? 0;
    await moved.advance(60 * MINUTE_MS);
    expect(alice.peers.get(bobsDomain)?.sequence).toBe(before);
    await moved.advance(13 * 60 * MINUTE_MS);
    expect(alice.peers.get(bobsDomain)?.sequence).toBeGreaterThan(before);
  });
});

describe("a peer that was removed", () => {
  it("is told at once when it answers", async () => {
    await befriend();
    expect(await peering.remove(actor(alice), "bob")).toMatchObject({ told: true });
    expect(alice.peers.farewells()).toEqual([]);
    await peering.start();
    await moved.advance(60 * MINUTE_MS);
    expect([saidAtMs, farewellsAtMs]).toEqual([[], [0]]);
  });

  it("is told when it comes back", async () => {
    await befriend();
    isAway = true;
    await peering.start();
    await moved.advance(0);
    expect(await peering.remove(actor(alice), "bob")).toMatchObject({ told: false });
    await moved.advance(10 * MINUTE_MS);
    expect(farewellsAtMs.length).toBeGreaterThan(5);
    expect(alice.peers.farewells()).toHaveLength(1);
    isAway = false;
    await moved.advance(5 * MINUTE_MS);
    expect(alice.peers.farewells()).toEqual([]);
    const said = saidAtMs.length;
    await moved.advance(60 * MINUTE_MS);
    expect(saidAtMs).toHaveLength(said);
  });
});

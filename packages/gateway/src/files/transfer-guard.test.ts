import { type Clock, systemClock, systemRandom, type Timer } from "@hearthmesh/core";
import { decodePem, type Principal, parseGrant } from "@hearthmesh/identity";
import { memoryStore } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type GatewayFixture, gatewayFixture } from "../testing/index.js";
import { TransferGuard } from "./transfer-guard.js";

/** Time of the authority and of the guard: moves only when told to. */
class TestClock implements Clock {
  readonly #system = systemClock();
  #passedMs = 0;
  #due: { atMs: number; run: () => void }[] = [];

  nowMs(): number {
    return Date.UTC(2026, 10, 21) + this.#passedMs;
  }

  monotonicMs(): number {
    return this.#system.monotonicMs();
  }

  setTimeout(run: () => void, delayMs: number): Timer {
    const one = { atMs: this.#passedMs + delayMs, run };
    this.#due.push(one);
    const cancel = () => {
      this.#due = this.#due.filter((other) => other !== one);
    };
    return { cancel };
  }

  advance(byMs: number): void {
    this.#passedMs += byMs;
    const due = this.#due.filter(({ atMs }) => atMs <= this.#passedMs);
    this.#due = this.#due.filter((one) => !due.includes(one));
    for (const { run } of due) run();
  }
}

let clock: TestClock;
let fixture: GatewayFixture;
let guard: TransferGuard;
let carol: Principal;
const { signal } = new AbortController();

beforeEach(async () => {
  clock = new TestClock();
  const random = systemRandom();
  fixture = await gatewayFixture({ store: memoryStore({ clock: systemClock() }), clock, random });
  guard = new TransferGuard(fixture.services);
  const { certificatePem } = await fixture.person("carol@office.carol", ["/media:read"]);
  carol = fixture.authority.principal([decodePem("CERTIFICATE", certificatePem)]);
});
afterEach(() => fixture.authority.close());

function give(text: string) {
  const principal = fixture.services.operator;
  const grant = parseGrant(text);
  return fixture.authority.grants.give({ principal }, { subject: carol.name, grant });
}

const read = (path: string, who = carol) =>
  guard.begin({ principal: who, path, right: "read", signal });

describe("a transfer", () => {
  it("ends in the moment in which its right does, and not before", async () => {
    await give("/shared:read until 2026-11-21T05:00:00Z");
    const transfer = read("/shared/film/");
    clock.advance(5 * 3_600_000);
    expect(transfer.signal.aborted).toBe(false);
    clock.advance(1);
    expect(transfer.signal.reason).toMatchObject({ code: "MESH_FORBIDDEN" });
    expect(guard.size).toBe(0);
  });

  it("goes on when another grant takes over", async () => {
    await give("/shared/film:read until 2026-11-21T01:00:00Z");
    await give("/shared:read");
    const transfer = read("/shared/film");
    clock.advance(3_600_001);
    expect(transfer.signal.aborted).toBe(false);
    transfer.end();
    expect(guard.size).toBe(0);
  });

  it("is judged when rights change, and ends with the person's key", async () => {
    const other = read("/media/a");
    await give("!/media/b:read");
    expect(other.signal.aborted).toBe(false);
    await fixture.authority.revoke(fixture.services.operator, carol.name, "lost");
    expect(other.signal.reason).toMatchObject({ code: "MESH_CERT_REVOKED" });
  });

  it("is not guarded for the operator, at a peer, or when it may not begin at all", () => {
    for (const [path, who] of [
      ["/media/a", fixture.services.operator],
      ["/@bob/garage/film", carol],
      ["/secret", carol],
      ["/media/../secret", carol],
    ] as const) {
      expect(read(path, who).signal).toBe(signal);
    }
    expect(guard.size).toBe(0);
  });

  it("ends with its request", () => {
    const request = new AbortController();
    const terms = { principal: carol, path: "/media/a", right: "read" as const };
    const transfer = guard.begin({ ...terms, signal: request.signal });
    request.abort();
    expect(transfer.signal.aborted).toBe(true);
  });
});

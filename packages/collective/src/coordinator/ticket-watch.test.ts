import { limits, type NodeId, silentLogger } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import type { Principal } from "@hearthmesh/identity";
import { describe, expect, it } from "vitest";
import { EVERY_HOLDER } from "../storage/ticket-voids.js";
import type { Ticket } from "../types.js";
import { Access } from "./access.js";
import { parsePath } from "./paths.js";
import { GrantPolicy, testPrincipal } from "./testing/grant-policy.js";
import { TicketOffice } from "./ticket-office.js";
import { TicketVoider } from "./ticket-voider.js";
import { TicketWatch } from "./ticket-watch.js";
import { VoidBook } from "./void-book.js";

const id = (name: string) => name.padEnd(52, "a") as NodeId;
const person = (name: string) => testPrincipal("person", `${name}@home.alice`, id(name));
const everybody = { concerns: () => true };
const scope = (holder: Principal) => ({ holder: holder.nodeId, nodes: [id("node")] });

function parts() {
  const clock = new ManualClock();
  const policy = new GrantPolicy();
  const told: { nodeId: NodeId; request: object }[] = [];
  const office = new TicketOffice({ sign: () => new Uint8Array(8), epoch: 3, clock });
  const book = new VoidBook(clock);
  const voider = new TicketVoider({
    access: policy,
    tickets: office,
    book,
    calls: { void: async (nodeId, request) => void told.push({ nodeId, request }) },
    online: () => [id("node")],
    isGateway: (nodeId) => nodeId === id("gateway"),
    epoch: 3,
    clock,
    log: silentLogger,
  });
  voider.start();
  return { clock, policy, office, book, voider, told };
}

function ticketOf({ ticket }: { ticket: string }): Ticket {
  return JSON.parse(Buffer.from(ticket.split(".")[0] ?? "", "base64url").toString("utf8"));
}

const ground = (policy: GrantPolicy, who: Principal, path: string) => ({
  access: new Access(policy, who),
  path: parsePath(path),
});

describe("a ticket", () => {
  it("ends with the right it rests on, and is not made when that is gone", () => {
    const { clock, policy, office } = parts();
    const carol = person("carol");
    const untilMs = clock.nowMs() + 1000;
    policy.grant(carol, `/a:read until ${new Date(untilMs).toISOString()}`, "/b:read");
    const short = office.forReading(ground(policy, carol, "/a/x"), scope(carol), []);
    expect(short.ticketNotAfterMs).toBe(untilMs);
    const long = office.forReading(ground(policy, carol, "/b/x"), scope(carol), []);
    expect(long.ticketNotAfterMs).toBe(clock.nowMs() + limits.TICKET_VALIDITY_MS);
    expect(() => office.forReading(ground(policy, carol, "/c"), scope(carol), [])).toThrow();
    expect(() =>
      office.forWriting(ground(policy, carol, "/b"), scope(carol), "f" as never, undefined),
    ).toThrow();
  });

  it("is issued at times that never go back, and later than what was taken back", async () => {
    const { clock, policy, office } = parts();
    const carol = person("carol");
    policy.grant(carol, "/:read");
    const issue = () =>
      ticketOf(office.forReading(ground(policy, carol, "/a"), scope(carol), [])).issuedAtMs ?? 0;
    const first = issue();
    const after = office.afterAllTickets();
    expect(after).toBeGreaterThan(first);
    expect(issue()).toBeGreaterThanOrEqual(after);
    const back = office.afterAllTickets();
    await clock.advance(50);
    expect(office.afterAllTickets()).toBeGreaterThan(back);
  });
});

describe("a change of rights", () => {
  it("takes back the tickets of those who lost theirs, and of no others", () => {
    const { policy, office, book, told } = parts();
    const [carol, dave] = [person("carol"), person("dave")];
    for (const who of [carol, dave]) {
      policy.grant(who, "/:read");
      office.forReading(ground(policy, who, "/a"), scope(who), []);
    }
    expect(told).toEqual([]);
    policy.grant(carol, "/a:read");
    expect(told).toEqual([]);
    policy.grant(carol, "/b:read");
    const [{ request } = { request: {} }] = told;
    expect(request).toMatchObject({ epoch: 3, voids: [{ holder: carol.nodeId }] });
    expect(book.live()).toHaveLength(1);
    policy.grant(carol);
    expect(told).toHaveLength(1);
  });

  it("leaves a gateway its tickets, which judges its own callers", () => {
    const { policy, office, told } = parts();
    const carol = person("carol");
    policy.grant(carol, "/:read");
    const through = { holder: id("gateway"), nodes: [id("node")] };
    office.forReading(ground(policy, carol, "/a"), through, []);
    policy.grant(carol);
    expect(told).toEqual([]);
  });

  it("says nothing any more when it was stopped", () => {
    const { policy, office, voider, told } = parts();
    const carol = person("carol");
    policy.grant(carol, "/:read");
    office.forReading(ground(policy, carol, "/a"), scope(carol), []);
    voider.stop();
    policy.grant(carol);
    expect(told).toEqual([]);
  });

  it("takes back all when some tickets were forgotten for want of room", () => {
    const clock = new ManualClock();
    const watch = new TicketWatch(clock);
    const carol = person("carol");
    for (let at = 0; at <= limits.TICKETS_WATCHED_MAX; at++) {
      watch.given(carol.nodeId, { principal: carol, path: `/${at}`, right: "read" }, 1000);
    }
    expect(watch.lost({ concerns: () => false }, () => true).everybody).toBe(true);
  });

  it("forgets tickets that have ended by themselves", async () => {
    const clock = new ManualClock();
    const watch = new TicketWatch(clock);
    const carol = person("carol");
    watch.given(carol.nodeId, { principal: carol, path: "/a", right: "read" }, 1000);
    await clock.advance(1001);
    expect(watch.lost(everybody, () => false)).toEqual({ holders: [], everybody: false });
  });
});

describe("the book of tickets that were taken back", () => {
  it("keeps each while a ticket may be good, and one entry for everybody when full", async () => {
    const clock = new ManualClock();
    const book = new VoidBook(clock);
    for (let at = 0; at < limits.VOIDED_HOLDERS_MAX; at++) book.add(id(`${at}`), at);
    expect(book.live()).toHaveLength(limits.VOIDED_HOLDERS_MAX);
    expect(book.add(id("more"), 5000)).toEqual({ holder: EVERY_HOLDER, issuedBeforeMs: 5000 });
    expect(book.live()).toHaveLength(1);
    await clock.advance(2 * limits.TICKET_VALIDITY_MS + 1);
    expect(book.live()).toEqual([]);
  });
});

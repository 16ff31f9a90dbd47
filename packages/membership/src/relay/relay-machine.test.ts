import type { NodeId } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RELAY_HOPS_MAX, RELAY_PEERS_MAX } from "./limits.js";
import { encodeRelayHeader } from "./relay-header.js";
import { RelayMachine, type RelayTicket } from "./relay-machine.js";
import { RELAY_POLICY_DEFAULT, type RelayPolicy } from "./relay-policy.js";

const id = (number: number) => {
  const digits = number.toString(26).padStart(4, "0");
  const letters = [...digits].map((digit) => String.fromCharCode(97 + Number.parseInt(digit, 26)));
  return letters.join("").padStart(52, "a") as NodeId;
};
const SELF = id(0);
const FROM = id(1);
const TARGET = id(2);

function machineWith(policy: Partial<RelayPolicy> = {}): RelayMachine {
  return new RelayMachine(SELF, { ...RELAY_POLICY_DEFAULT, idleMsMax: 0, ...policy }, 0);
}

const header = encodeRelayHeader({ path: [SELF, TARGET], origin: FROM, via: [] });

function forwarded(machine: RelayMachine, nowMs = 0, from = FROM): RelayTicket {
  const own = encodeRelayHeader({ path: [SELF, TARGET], origin: from, via: [] });
  const decision = machine.open(from, own, nowMs);
  if (decision.type !== "forward") throw new Error(`it was ${decision.type}`);
  return decision.ticket;
}

describe("RelayMachine", () => {
  it("forwards exactly the paths that begin here, come from their last hop, without a loop", () => {
    const nodes = fc.array(fc.integer({ min: 0, max: 7 }).map(id), { maxLength: 6 });
    fc.assert(
      fc.property(nodes, nodes, fc.integer({ min: 0, max: 7 }).map(id), (path, via, from) => {
        const origin = via.length === 0 ? from : id(7);
        const all = [origin, ...via, ...path];
        const isSound =
          path.length > 0 &&
          path[0] === SELF &&
          new Set(all).size === all.length &&
          (via.at(-1) ?? origin) === from &&
          via.length + path.length - 1 <= RELAY_HOPS_MAX;
        const machine = machineWith();
        const decision = machine.open(from, encodeRelayHeader({ path, origin, via }), 0);
        expect(decision.type).toBe(!isSound ? "refuse" : path.length === 1 ? "accept" : "forward");
        if (decision.type !== "forward") return;
        expect(decision.nextHop).toBe(path[1]);
        expect(decision.header).toEqual({ path: path.slice(1), origin, via: [...via, SELF] });
      }),
      { numRuns: 2000 },
    );
  });

  it("keeps the long-run rate of a neighbour and of all exactly, whatever the pieces", () => {
    const piece = fc.record({
      stream: fc.integer({ min: 0, max: 3 }),
      bytes: fc.integer({ min: 1, max: 65_536 }),
      afterMs: fc.integer({ min: 0, max: 30 }),
    });
    fc.assert(
      fc.property(fc.array(piece, { minLength: 20, maxLength: 120 }), (pieces) => {
        const policy = { bytesPerSecMax: 400_000, bytesPerSecPerPeerMax: 250_000 };
        const machine = machineWith(policy);
        const peers = [FROM, FROM, id(3), id(4)];
        const tickets = peers.map((peer) => forwarded(machine, 0, peer));
        const sent = new Map<NodeId, number>();
        let all = 0;
        let nowMs = 0;
        for (const { stream, bytes, afterMs } of pieces) {
          nowMs += afterMs;
          const ticket = tickets[stream]!;
          const waitMs = machine.waitMs(ticket, nowMs);
          if (waitMs > 0) nowMs += waitMs + 0.01;
          expect(machine.waitMs(ticket, nowMs)).toBe(0);
          expect(machine.moved(ticket, bytes, nowMs)).toBeUndefined();
          all += bytes;
          sent.set(ticket.from, (sent.get(ticket.from) ?? 0) + bytes);
          // A burst, a piece, and what is lost in the rounding of times.
          const burst = 80_000 + 65_536 + 2;
          expect(all).toBeLessThanOrEqual((policy.bytesPerSecMax * nowMs) / 1000 + burst);
          for (const own of sent.values()) {
            const allowed = (policy.bytesPerSecPerPeerMax * nowMs) / 1000 + burst;
            expect(own).toBeLessThanOrEqual(allowed);
          }
        }
        expect(machine.counters.all().bytes).toBe(all);
      }),
    );
  });

  it("does not forget a debt because its streams were closed and opened again", () => {
    const machine = machineWith({ bytesPerSecPerPeerMax: 1000 });
    const first = forwarded(machine);
    machine.moved(first, 200_000, 0);
    machine.closed(first);
    const second = forwarded(machine, 1000);
    expect(machine.waitMs(second, 1000)).toBeGreaterThan(100_000);
    expect(machine.waitMs(forwarded(machine, 1000, id(3)), 1000)).toBe(0);
  });

  it("applies new limits to the streams that are open", () => {
    const machine = machineWith();
    const ticket = forwarded(machine);
    machine.moved(ticket, 1 << 20, 0);
    expect(machine.waitMs(ticket, 0)).toBe(0);
    const policy = {
      ...RELAY_POLICY_DEFAULT,
      bytesPerSecPerPeerMax: 1000,
      streamBytesMax: 2 << 20,
    };
    machine.setPolicy(policy, 0);
    machine.moved(ticket, 70_000, 0);
    expect(machine.waitMs(ticket, 0)).toBeGreaterThan(0);
    expect(machine.moved(ticket, 1 << 20, 0)).toMatchObject({ code: "MESH_LIMIT" });
    expect(() => machine.setPolicy({ ...policy, streamsMax: -1 }, 0)).toThrow("streamsMax");
  });

  it("counts open streams of any order of opens and closes, and frees their places", () => {
    const step = fc.record({ peer: fc.integer({ min: 1, max: 3 }), opens: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const machine = machineWith({ streamsMax: 5, streamsPerPeerMax: 3 });
        const open = new Map<NodeId, RelayTicket[]>();
        for (const { peer, opens } of steps) {
          const from = id(peer + 10);
          const own = open.get(from) ?? [];
          open.set(from, own);
          const total = [...open.values()].flat().length;
          if (opens) {
            const bytes = encodeRelayHeader({ path: [SELF, TARGET], origin: from, via: [] });
            const decision = machine.open(from, bytes, 0);
            const isFull = own.length >= 3 || total >= 5;
            expect(decision.type).toBe(isFull ? "refuse" : "forward");
            if (decision.type === "forward") own.push(decision.ticket);
          } else {
            const ticket = own.pop();
            if (ticket !== undefined) {
              machine.closed(ticket);
              machine.closed(ticket);
            }
          }
          expect(machine.counters.openStreams(from)).toBe(own.length);
          expect(machine.counters.all().openStreams).toBe([...open.values()].flat().length);
        }
      }),
    );
  });

  it("ends a stream at its time, and one on which nothing moves", () => {
    const machine = machineWith({ streamMsMax: 10_000, idleMsMax: 3000 });
    const ticket = forwarded(machine, 500);
    expect(machine.dueMs(ticket)).toBe(3500);
    machine.moved(ticket, 1, 3000);
    expect(machine.expired(ticket, 3500)).toBeUndefined();
    expect(machine.dueMs(ticket)).toBe(6000);
    expect(machine.expired(ticket, 6000)).toMatchObject({ details: { limit: "idle", of: FROM } });
    machine.moved(ticket, 1, 9000);
    expect(machine.expired(ticket, 10_500)).toMatchObject({ details: { limit: "time" } });
    expect(machineWith().dueMs(forwarded(machineWith()))).toBeUndefined();
  });

  it("bounds what it remembers of neighbours, and forgets none that has streams open", () => {
    const machine = machineWith({ enabled: true, bytesPerSecPerPeerMax: 1_000_000 });
    const kept = forwarded(machine, 0, id(5));
    for (let count = 0; count < RELAY_PEERS_MAX + 50; count++) {
      machine.closed(forwarded(machine, 0, id(100 + count)));
    }
    expect(machine.counters.peers().length).toBe(RELAY_PEERS_MAX);
    machine.moved(kept, 77, 0);
    expect(machine.counters.peers().find(({ nodeId }) => nodeId === id(5))?.bytes).toBe(77);
  });

  it("takes links that end here, also when it is no relay, up to a number for each", () => {
    const machine = machineWith({ enabled: false, streamsMax: 1 });
    expect(machine.open(FROM, header, 0)).toMatchObject({ type: "refuse", reason: "disabled" });
    const own = encodeRelayHeader({ path: [SELF], origin: TARGET, via: [FROM] });
    const tickets: RelayTicket[] = [];
    for (let count = 0; count < 256; count++) {
      const decision = machine.open(FROM, own, 0);
      if (decision.type === "accept") tickets.push(decision.ticket);
    }
    expect(tickets.length).toBe(256);
    expect(machine.open(FROM, own, 0)).toMatchObject({ type: "refuse", reason: "streams" });
    machine.closed(tickets[0]!);
    machine.closed(tickets[0]!);
    expect(machine.open(FROM, own, 0).type).toBe("accept");
    expect(machine.open(FROM, own, 0).type).toBe("refuse");
  });

  it("refuses any bytes that are no header, without throwing", () => {
    const machine = machineWith();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(machine.open(FROM, bytes, 0).type).toBe("refuse");
      }),
    );
    const broken = (fields: object) => {
      const json = Buffer.from(JSON.stringify(fields));
      const length = Buffer.alloc(4);
      length.writeUInt32BE(json.length);
      return Buffer.concat([length, json]);
    };
    const sound = { path: [SELF, TARGET], origin: FROM, via: [] };
    expect(machine.open(FROM, broken(sound), 0).type).toBe("forward");
    const harms = [{ path: SELF }, { path: [[SELF], TARGET] }, { origin: 7 }, { via: null }];
    for (const harm of harms) {
      expect(machine.open(FROM, broken({ ...sound, ...harm }), 0)).toMatchObject({
        reason: "header",
      });
    }
  });
});

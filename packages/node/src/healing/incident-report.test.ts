/** `heal.incident`: who may say what, and what becomes of what cannot be said. */
import { decodeMessage, encodeMessage, MeshError, silentLogger } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import type { Incident } from "@hearthmesh/healing";
import type { Principal } from "@hearthmesh/identity";
import type { IncomingRequest, Link } from "@hearthmesh/qwormhole";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MethodRouter } from "../method-router.js";
import { IncidentReporter, incidentDesk } from "./incident-report.js";

const INCIDENT: Incident = {
  v: 1,
  id: "mwqzyds9-zwaphpdg",
  ...{ nodeId: "somebody-else", nodeName: "somebody else" },
  kind: "peer-unreachable",
  subject: { type: "node", id: "b", name: "b" },
  severity: "warning",
  state: "open",
  openedAtMs: 1,
  timeline: [{ atMs: 1, afterMs: 0, step: "seen", text: "nothing was heard" }],
  timings: { detectedMs: 3 },
  remedies: ["redial"],
  dryRun: false,
};
const NODE = { kind: "node", nodeId: "node-c", name: "c", trustDomain: "home.alice" };

/** As long as one can be. */
function full(hasCandidates: boolean): Incident {
  const text = "x".repeat(1_024);
  const candidate = { remedy: "redial" as const, text, score: 1, success: 1, uses: 1 };
  const choice = hasCandidates ? { candidates: [candidate, candidate] } : {};
  const entry = { atMs: 1, afterMs: 0, step: "decided" as const, text, ...choice };
  return { ...INCIDENT, timeline: Array.from({ length: 64 }, () => entry) };
}

function desk(role: "leader" | "follower" = "leader") {
  const told: Incident[] = [];
  const leader = {
    nodeId: "n",
    epoch: 2,
    data: { name: "n", linkAddresses: [], apiAddresses: [] },
  };
  const leadership = { state: { role, epoch: 2, leader } as never };
  const clock = new ManualClock();
  const router = new MethodRouter(() => undefined);
  const known = (id: string) => told.findLast((one) => one.id === id);
  router.add(incidentDesk({ leadership, clock, known, told: (one) => told.push(one) }));
  const say = (identity: object, incident: unknown, waitedMs?: unknown) => {
    const body = Buffer.concat(encodeMessage({ incident, waitedMs }));
    const peer = { identity: identity as Principal, nodeId: "x" };
    const request = { method: "heal.incident", peer, body } as unknown as IncomingRequest;
    return router.handlers.onRequest?.(request) as Promise<unknown>;
  };
  return { told, say, clock };
}

const codeOf = async (promise: Promise<unknown>) =>
  promise.then(
    () => "taken",
    (error: { code?: string; cause?: unknown }) => error.code,
  );

describe("the coordinator", () => {
  it("takes an incident of a node of its member, in the name of the certificate", async () => {
    const { told, say, clock } = desk();
    await say(NODE, INCIDENT);
    const openedAtMs = clock.nowMs();
    const timeline = INCIDENT.timeline.map((entry) => ({ ...entry, atMs: openedAtMs }));
    const here = { openedAtMs, timeline };
    expect(told).toEqual([{ ...INCIDENT, ...here, nodeId: "node-c", nodeName: "c" }]);
  });

  it("tells of times by its own clock, and keeps those that it told", async () => {
    const { told, say, clock } = desk();
    const beganMs = clock.nowMs();
    await clock.advance(60_000);
    await say(NODE, INCIDENT, 60_000);
    await clock.advance(1_000);
    const end = { atMs: 9e12, afterMs: 61_000, step: "closed", text: "it is back" } as const;
    const timeline = [...INCIDENT.timeline, end];
    await say(NODE, { ...INCIDENT, state: "passed", closedAtMs: 9e12, timeline });
    expect(told.map((one) => [one.openedAtMs - beganMs, one.closedAtMs])).toEqual([
      ...[
        [0, undefined],
        [0, clock.nowMs()],
      ],
    ]);
    // Of another node with the same id nothing is taken over; who keeps it refuses it.
    await say({ ...NODE, nodeId: "node-d" }, INCIDENT, "soon");
    expect(told.at(-1)?.openedAtMs).toBe(clock.nowMs());
  });

  it("takes none of people, guests and other members", async () => {
    const { told, say } = desk();
    const refused = [
      { ...NODE, kind: "person" },
      { ...NODE, guest: { scopes: ["services"] } },
      { ...NODE, kind: "foreign", trustDomain: "home.bob" },
    ];
    for (const one of refused) {
      expect(await codeOf(say(one, INCIDENT))).toBe("MESH_FORBIDDEN");
    }
    expect(told).toEqual([]);
  });

  it("names the one that leads when it is another", async () => {
    const { told, say } = desk("follower");
    await expect(say(NODE, INCIDENT)).rejects.toMatchObject({ code: "MESH_NOT_LEADER" });
    expect(told).toEqual([]);
  });

  it("refuses what is no incident, whatever it is", async () => {
    const { told, say } = desk();
    const field = fc.constantFrom(...Object.keys(INCIDENT));
    const junk = fc.oneof(fc.jsonValue(), fc.constant("x".repeat(5_000)));
    await fc.assert(
      fc.asyncProperty(field, junk, async (name, value) => {
        const before = told.length;
        const outcome = await codeOf(say(NODE, { ...INCIDENT, [name]: value }));
        if (outcome === "taken") {
          // Only what the schema allows came through, and its size is bounded.
          expect(JSON.stringify(told[before]).length).toBeLessThan(10_000);
        } else expect(["MESH_BAD_REQUEST", "MESH_LIMIT"]).toContain(outcome);
      }),
      { numRuns: 100 },
    );
    const timeline = Array.from({ length: 65 }, () => INCIDENT.timeline[0]);
    expect(await codeOf(desk().say(NODE, { ...INCIDENT, timeline }))).toBe("MESH_BAD_REQUEST");
    expect(await codeOf(desk().say(NODE, undefined))).toBe("MESH_BAD_REQUEST");
  });

  it("takes neither what is large nor times that no calendar has", async () => {
    const { told, say } = desk();
    expect(await codeOf(say(NODE, full(true)))).toBe("MESH_BAD_REQUEST");
    // No calendar has that day: pages would fail at it.
    expect(await codeOf(say(NODE, { ...INCIDENT, openedAtMs: 1e308 }))).toBe("MESH_BAD_REQUEST");
    expect(await codeOf(say(NODE, { ...INCIDENT, closedAtMs: 9e15 }))).toBe("MESH_BAD_REQUEST");
    expect(told).toEqual([]);
    // A clock that is years ahead made this id: the order of the history is by the time here.
    expect(await codeOf(say(NODE, { ...INCIDENT, id: "zzzzzzzzzz-zwaphpdg" }))).toBe("taken");
    expect(await codeOf(say(NODE, { ...INCIDENT, id: "000000rs-zwaphpdg" }))).toBe("taken");
  });

  it("takes no more than so many a minute of one node", async () => {
    const { told, say } = desk();
    const outcomes = new Set<string | undefined>();
    for (let count = 0; count < 300; count++) outcomes.add(await codeOf(say(NODE, INCIDENT)));
    expect(told).toHaveLength(60);
    expect([...outcomes]).toEqual(["taken", "MESH_LIMIT"]);
    expect(await codeOf(say({ ...NODE, nodeId: "node-d" }, INCIDENT))).toBe("taken");
  });
});

describe("a node", () => {
  function reporter(request: (incident: Incident, waitedMs: number) => Promise<void>) {
    const clock = new ManualClock();
    const others: string[] = [];
    const link = {
      request: (_method: string, pieces: Uint8Array[]) => {
        const { header } = decodeMessage<{ incident: Incident; waitedMs: number }>(
          Buffer.concat(pieces),
        );
        return request(header.incident, header.waitedMs);
      },
    } as unknown as Link;
    const sender = new IncidentReporter({
      leader: async () => link,
      onOtherLeader: ({ nodeId }) => void others.push(nodeId),
      ...{ clock, log: silentLogger },
    });
    return { clock, sender, others };
  }

  it("leaves out what there was to choose from where it would be too long", async () => {
    const { told, say } = desk();
    const got: Incident[] = [];
    const { sender } = reporter(async (incident) => {
      got.push(incident);
      await say(NODE, incident);
    });
    sender.tell(full(true));
    await sender.stop();
    expect(got).toEqual([full(false)]);
    expect(told).toHaveLength(1);
  });

  it("tells the newest state once the leader is there, and asks the one that leads", async () => {
    const got: Incident[] = [];
    let isAway = true;
    const named = { nodeId: "new", epoch: 3, name: "new" };
    const leader = { ...named, linkAddresses: [], apiAddresses: [] };
    const waited: number[] = [];
    const { clock, sender, others } = reporter(async (incident, waitedMs) => {
      waited.push(waitedMs);
      if (isAway) throw new MeshError("MESH_NOT_LEADER", { details: { leader } });
      got.push(incident);
    });
    sender.tell(INCIDENT);
    await clock.advance(1_000);
    sender.tell({ ...INCIDENT, state: "mended" });
    expect(others).toEqual(["new"]);
    isAway = false;
    await clock.advance(10_000);
    expect(got.map(({ state }) => state)).toEqual(["mended"]);
    // The first try, and that of the newest state, told a second after it.
    expect(waited).toEqual([0, 4_000]);
    await sender.stop();
  });

  it("stops although the leader is still being dialled", async () => {
    const sender = new IncidentReporter({
      leader: () => new Promise(() => undefined),
      onOtherLeader: () => undefined,
      ...{ clock: new ManualClock(), log: silentLogger },
    });
    sender.tell(INCIDENT);
    await sender.stop();
  });

  it("does not say again what is refused, and stops while it waits", async () => {
    let calls = 0;
    const { clock, sender } = reporter(async () => {
      calls++;
      throw new MeshError("MESH_BAD_REQUEST");
    });
    sender.tell(INCIDENT);
    await clock.advance(60_000);
    expect(calls).toBe(1);
    await sender.stop();
    sender.tell(INCIDENT);
    await clock.advance(60_000);
    expect(calls).toBe(1);
  });
});

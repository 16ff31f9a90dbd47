import { type NodeId, systemClock, systemRandom } from "@hearthmesh/core";
import type { PeerChange } from "@hearthmesh/membership";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
// A test may look at what the doors are tested with.
import { mendedIncident } from "../../../gateway/src/testing/incidents.js";
import { ScriptedHealer } from "../../../gateway/src/testing/scripted-healer.js";
import { openNodeEvents } from "./node-events.js";

let healer: ScriptedHealer;
let listeners: Set<(change: PeerChange) => void>;
let events: ReturnType<typeof openNodeEvents>;
let stream: AsyncIterator<string>;

beforeEach(async () => {
  healer = new ScriptedHealer();
  listeners = new Set();
  const swim = {
    onChange(listener: (change: PeerChange) => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const [clock, random] = [systemClock(), systemRandom()];
  events = openNodeEvents({ nodeName: "home", healer, swim, clock, random });
  stream = events.feed.open({ id: "test", isLocalOperator: false })[Symbol.asyncIterator]();
  expect((await stream.next()).value).toContain("event: ready");
});
afterEach(() => events.close());

async function next() {
  const { value } = await stream.next();
  const data = /^data: (.*)$/m.exec(value)?.[1];
  return { name: /^event: (.*)$/m.exec(value)?.[1], data: JSON.parse(data ?? "null") };
}

function peer(before: PeerChange["before"], after: PeerChange["after"]): void {
  const info = { nodeId: "b1" as NodeId, name: "attic" } as PeerChange["peer"];
  for (const listener of listeners) listener({ peer: info, before, after });
}

describe("the events of a node", () => {
  it("tell of nodes that come and go, and not of each new record", async () => {
    peer(undefined, "alive");
    peer("alive", "alive");
    peer("alive", "suspect");
    const told = { nodeId: "b1", name: "attic" };
    expect(await next()).toEqual({ name: "peer", data: { ...told, state: "alive", before: null } });
    expect((await next()).data).toEqual({ ...told, state: "suspect", before: "alive" });
  });

  it("tell of incidents without their whole timeline, and of the healer's mode", async () => {
    const incident = mendedIncident();
    const long = {
      ...incident.timeline[8],
      text: "x".repeat(5_000),
    } as (typeof incident.timeline)[0];
    healer.emit({ kind: "incident", incident: { ...incident, timeline: [long] } });
    const { name, data } = await next();
    expect([name, data.incident.title]).toEqual(["incident", "attic does not answer"]);
    expect(data.incident).not.toHaveProperty("timeline");
    expect(data.newest).toEqual({ step: "closed", text: "x".repeat(512) });
    healer.pause(undefined, "me");
    expect(await next()).toEqual({ name: "healing", data: { mode: "paused" } });
  });

  it("end with the node", async () => {
    events.close();
    expect(await stream.next()).toMatchObject({ done: true });
    expect([listeners.size, healer.listeners]).toEqual([0, 0]);
  });
});

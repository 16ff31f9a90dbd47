import { describe, expect, it } from "vitest";
import type { Incident } from "../incident.js";
import { INCIDENTS_KEPT_MAX, INCIDENTS_OF_OTHERS_MAX } from "../limits.js";
import { IncidentBook } from "./incident-book.js";

function incident(number: number, nodeId: string, state: Incident["state"] = "open"): Incident {
  return {
    v: 1,
    id: `${(2_821_109_907_456 + number).toString(36)}-aaaaaaaa`,
    ...{ nodeId, nodeName: nodeId, state },
    kind: "peer-unreachable",
    subject: { type: "node", id: "b", name: "b" },
    severity: "warning",
    openedAtMs: number,
    timeline: [],
    timings: {},
    remedies: [],
    dryRun: false,
  };
}

describe("the book of incidents", () => {
  it("is not filled by another node, whatever that says of its own", () => {
    const book = new IncidentBook("self");
    for (let number = 0; number < 50; number++) book.put(incident(number, "self", "mended"));
    for (let number = 50; number < 2_000; number++) book.put(incident(number, "noisy"));
    const all = book.list({ limit: 5_000 });
    expect(all.filter(({ nodeId }) => nodeId === "self")).toHaveLength(50);
    expect(all).toHaveLength(50 + INCIDENTS_OF_OTHERS_MAX);
    expect(all[0]?.id).toBe(incident(1_999, "noisy").id);
  });

  it("gives its own ones room, and those of others who tell little", () => {
    const book = new IncidentBook("self");
    const own = INCIDENTS_KEPT_MAX - INCIDENTS_OF_OTHERS_MAX;
    for (let number = 0; number < own; number++) book.put(incident(number, "self", "mended"));
    for (let number = own; number < own + 20; number++) book.put(incident(number, "quiet"));
    for (let number = own + 20; number < own + 1_200; number++) {
      book.put(incident(number, `noisy-${number % 8}`));
    }
    const all = book.list({ limit: 5_000 });
    const count = (of: string) => all.filter(({ nodeId }) => nodeId === of).length;
    expect(all).toHaveLength(INCIDENTS_KEPT_MAX);
    expect(count("self")).toBe(own);
    expect(count("quiet")).toBe(20);
    for (let noisy = 0; noisy < 8; noisy++) expect(count(`noisy-${noisy}`)).toBe(480 / 8);
  });

  it("is in the order of time, whatever clocks made the ids", () => {
    const book = new IncidentBook("self");
    const behind = { ...incident(3, "b"), id: "000000rs-aaaaaaaa" };
    const ahead = { ...incident(2, "c"), id: "zzzzzzzzz-aaaaaaaa" };
    const all = [incident(4, "self"), behind, ahead, incident(1, "self")];
    for (const one of [...all].reverse()) book.put(one);
    expect(book.list({ limit: 5 })).toEqual(all);
    for (const [at, { id: before }] of all.entries()) {
      expect(book.list({ limit: 2, before })).toEqual(all.slice(at + 1, at + 3));
    }
    const forgotten = incident(2, "gone").id.replaceAll("a", "b");
    expect(book.list({ limit: 5, before: forgotten }).at(-1)).toEqual(incident(1, "self"));
  });

  it("keeps so many of its own, and lets go of what is closed first", () => {
    const book = new IncidentBook("self");
    book.put(incident(0, "self"));
    for (let number = 1; number < INCIDENTS_KEPT_MAX + 10; number++) {
      book.put(incident(number, "self", "mended"));
    }
    const all = book.list({ limit: 5_000 });
    expect(all).toHaveLength(INCIDENTS_KEPT_MAX);
    expect(all.at(-1)?.id).toBe(incident(0, "self").id);
    expect(all.at(-2)?.id).toBe(incident(11, "self").id);
  });
});

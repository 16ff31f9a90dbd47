import type { CoordinatorView } from "@hearthmesh/collective";
import { ManualClock } from "@hearthmesh/core/testing";
import type { Symptom } from "@hearthmesh/healing";
import { expect, it } from "vitest";
import type { LeadingMember } from "./leading-member.js";
import { reReplicate } from "./re-replicate.js";

const { signal } = new AbortController();
const SYMPTOM: Symptom = {
  kind: "replicas-missing",
  subject: { type: "replicas", id: "c", name: "what c kept" },
  ...{ severity: "warning", sinceMs: 0, evidence: [], values: {} },
};

/** A walk of repair that has ended, with so many copies made and chunks that lack one. */
async function walked(done: number, underReplicated: number) {
  const before = { name: "repair", state: "idle", runs: 1, done: 5, errors: 0, bytes: 0 };
  const worker = { ...before, runs: 2, done: 5 + done };
  const replication = { chunks: 40, underReplicated };
  const member = {
    clock: new ManualClock(),
    view: () => ({ status: { workers: [worker], replication } }) as unknown as CoordinatorView,
    call: async () => ({ worker: before, until: 2 }),
  } as unknown as LeadingMember;
  return reReplicate(member).apply(SYMPTOM, signal);
}

it("takes no credit for a walk that copied nothing while copies are missing", async () => {
  expect(await walked(0, 40)).toEqual({
    did:
      "woke the worker repair: 0 chunks done (0 B) in 0.0 s; 40 chunks of 40 lack a copy by " +
      "its last count",
    changedNothing: true,
  });
  expect(await walked(40, 0)).toMatchObject({ changedNothing: false });
  expect(await walked(7, 33)).toMatchObject({ changedNothing: false });
  // That nothing is missing was found by that walk.
  expect(await walked(0, 0)).toMatchObject({ changedNothing: false });
});

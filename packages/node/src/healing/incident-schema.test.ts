/** What one node may make another one keep. */
import type { RemedyName } from "@hearthmesh/healing";
import { SYMPTOMS } from "@hearthmesh/healing";
import { expect, it } from "vitest";
import { readIncident } from "./incident-schema.js";

const CANDIDATE = { remedy: "redial" as RemedyName, text: "", score: 1, success: 1, uses: 1 };

function decided(candidates: number): object {
  const choice = Array.from({ length: candidates }, () => CANDIDATE);
  return {
    v: 1,
    id: "mwqzyds9-zwaphpdg",
    ...{ nodeId: "b", nodeName: "b", kind: Object.keys(SYMPTOMS)[0] },
    subject: { type: "node", id: "b", name: "b" },
    ...{ severity: "warning", state: "open", openedAtMs: 1 },
    timeline: [{ atMs: 1, afterMs: 0, step: "decided", text: "", candidates: choice }],
    ...{ timings: {}, remedies: [], dryRun: false },
  };
}

it("takes as many remedies to choose from as there are for a symptom, and few more", () => {
  expect(readIncident(decided(8))?.timeline[0]?.candidates).toHaveLength(8);
  // Without text they are many in few bytes, and large in memory.
  expect(readIncident(decided(9))).toBeUndefined();
});

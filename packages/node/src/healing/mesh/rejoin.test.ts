import type { NodeId } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import fc from "fast-check";
import { expect, it } from "vitest";
import { Rejoin, type RejoinOptions } from "./rejoin.js";

const { signal } = new AbortController();

/** When a lost node has a link: before anything is dialled, by the dial, or not at all. */
type Return = "before" | "dialled" | "never";

/** The parts of a mesh as far as this remedy sees them: the race is decided by hand. */
async function rejoin(lost: readonly Return[]) {
  const clock = new ManualClock();
  const idOf = (at: number) => `node-${at}` as NodeId;
  const linked = new Set(lost.flatMap((how, at) => (how === "before" ? [idOf(at)] : [])));
  const dialled: string[] = [];
  const link = (nodeId: NodeId) => (linked.has(nodeId) ? { link: { nodeId } } : undefined);
  const parts = {
    discovery: {
      networkChanged: () => undefined,
      addCandidate: () => undefined,
      redial: (nodeId: NodeId) => {
        dialled.push(nodeId);
        if (lost[Number(nodeId.slice(5))] === "dialled") linked.add(nodeId);
      },
      found: () => ({ isDialling: false, lastErrorMs: Number.POSITIVE_INFINITY }),
    },
    links: { openLink: link, openLinks: () => [...linked].map((nodeId) => ({ link: { nodeId } })) },
    swim: { snapshotPeers: () => [], join: async () => undefined },
  };
  const notes = lost.map((_, at) => ({ nodeId: idOf(at), state: "dead" }));
  const options = { parts, peers: { notes: () => notes }, clock } as unknown as RejoinOptions;
  const outcome = new Rejoin(options).apply(undefined, signal);
  await clock.advance(3_000);
  return { dialled, ...(await outcome) };
}

it("dials those that are still away, and takes credit for them alone", async () => {
  const returns = fc.array(fc.constantFrom<Return>("before", "dialled", "never"), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(returns, async (lost) => {
      const { dialled, did, changedNothing } = await rejoin(lost);
      const away = lost.flatMap((how, at) => (how === "before" ? [] : [`node-${at}`]));
      expect(dialled).toEqual(away);
      expect(changedNothing).toBe(!lost.includes("dialled"));
      expect(did.includes("had a link again by then")).toBe(lost.includes("before"));
    }),
  );
});

it("says what came of it", async () => {
  expect((await rejoin(["before", "before"])).did).toBe(
    "dialled nobody; 2 nodes had a link again by then, and exchanged views with 2 nodes",
  );
  expect((await rejoin(["before", "dialled", "never"])).did).toBe(
    "dialled 2 lost nodes: 1 answered; 1 node had a link again by then, " +
      "and exchanged views with 2 nodes",
  );
  expect((await rejoin(["never"])).did).toBe("dialled 1 lost node: none answered within 2.5 s");
});

/**
 * Whether chunks lie where the layout wants them, and whether the layout still holds back what
 * healing took from a node although the reason is gone. Pure.
 *
 * As long as rebalancing is at work nothing is wrong: moving terabytes takes as long as it takes.
 */
import type { CoordinatorView, LayoutNode, NodeInfo } from "@hearthmesh/collective";
import { formatBytes } from "@hearthmesh/core";
import type { Fact, Subject } from "@hearthmesh/healing";
import { countText, factOf, namesText, percentText } from "./fact-of.js";
import { workerOf } from "./leading-member.js";
import { QUARANTINE_VERIFIED_MIN, STORE_GIVE_BACK_SHARE } from "./limits.js";

export const WHOLE_LAYOUT = "member";
const WHOLE: Subject = { type: "layout", id: WHOLE_LAYOUT, name: "the member's data" };
const MOVERS = ["repair", "rebalance"];

export function layoutFacts(view: CoordinatorView): Fact[] {
  const { nodes, layout } = view;
  if (layout.nodes.length === 0) return [];
  const infoOf = (nodeId: string) => nodes.find((node) => node.nodeId === nodeId);
  return [
    placementFact(view),
    ...layout.nodes.map((node) => shareFact(node, infoOf(node.nodeId), layout.version)),
  ];
}

function placementFact(view: CoordinatorView): Fact {
  const { nodes, layout, status } = view;
  const { version } = layout;
  const walked = status.replication?.layoutVersion;
  const values = { layoutVersion: version, ...(walked === undefined ? {} : { walked }) };
  const tell = (verdict: Fact["verdict"], evidence: string) =>
    factOf("layout-unbalanced", WHOLE, verdict, evidence, values);
  if (walked === undefined) return tell("unknown", "no walk over all chunks has ended yet");
  const draining = nodes.filter(({ drainChunksLeft = 0 }) => drainChunksLeft > 0);
  if (walked === version && draining.length === 0) {
    return tell("well", `chunks lie where layout ${version} wants them`);
  }
  const left = draining.map(
    ({ name, drainChunksLeft = 0 }) => `${countText(drainChunksLeft, "chunk")} on ${name}`,
  );
  const why =
    walked === version
      ? `layout ${version} wants ${namesText(left)} elsewhere`
      : `layout ${version} holds, and the last walk went by layout ${walked}`;
  const active = MOVERS.map((name) => workerOf(view, name)).find(
    (worker) => worker?.state === "running",
  );
  if (active === undefined) return tell("ill", `${why}; nobody is moving them`);
  const portion = active.portion === undefined ? "" : `, at ${percentText(active.portion)}`;
  return tell("well", `${why}; the worker ${active.name} is at work${portion}`);
}

function shareFact(node: LayoutNode, info: NodeInfo | undefined, layoutVersion: number): Fact {
  const { nodeId, name, easedFromBytes, quarantined, capacityBytes } = node;
  const subject: Subject = { type: "layout", id: nodeId, name };
  const tell = (verdict: Fact["verdict"], evidence: string) =>
    factOf("layout-unbalanced", subject, verdict, evidence, { layoutVersion, node: name });
  if (quarantined !== undefined) return tell(...quarantineText(node, info));
  if (easedFromBytes === undefined) return tell("well", `${name} has the share that it offers`);
  const asked = `${formatBytes(capacityBytes)} of ${formatBytes(easedFromBytes)} are asked of it`;
  const { storage } = info ?? {};
  if (info?.state === "offline" || storage === undefined || capacityBytes === 0) {
    return tell("unknown", `${asked}; it is away or drains`);
  }
  const { usedBytes, freeBytes } = storage;
  const then = (usedBytes * easedFromBytes) / capacityBytes / Math.max(1, usedBytes + freeBytes);
  const isOver = then < STORE_GIVE_BACK_SHARE;
  const full = `${percentText(then)} of its store would be used with its whole share`;
  return tell(isOver ? "ill" : "well", `${asked}; ${full}`);
}

function quarantineText(
  { quarantined }: LayoutNode,
  info: NodeInfo | undefined,
): [Fact["verdict"], string] {
  const { scrub, corruptLastDay = 0 } = info?.storage ?? {};
  const { chunks: seen = 0 } = info?.damageSeen ?? {};
  const since = `in quarantine since ${new Date(quarantined?.atMs ?? 0).toISOString()}`;
  if (scrub === undefined || quarantined === undefined || info?.state === "offline") {
    return ["unknown", `${since}; what a scrub finds there is not known`];
  }
  if (quarantined.isUntrusted === true) {
    const reason = "it gave wrong bytes for good ones, so its own scrub proves nothing";
    return ["well", `${since}; ${reason}: a person decides`];
  }
  const { passes, verified, damaged } = scrub;
  const isPassed = passes > quarantined.passes && verified >= QUARANTINE_VERIFIED_MIN;
  if (!isPassed) return ["well", `${since}; no whole scrub has ended since`];
  const found = `its scrub verified ${countText(verified, "chunk")}, ${damaged} damaged`;
  const withinDay = Math.max(corruptLastDay, seen);
  const isClean = damaged === 0 && withinDay === 0;
  return [isClean ? "ill" : "well", `${since}; ${found}, ${withinDay} within a day`];
}

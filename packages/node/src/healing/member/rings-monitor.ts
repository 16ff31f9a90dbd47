/** Whether a model that this node leads runs on the machines that it should. Pure. */
import type { Fact, Subject } from "@hearthmesh/healing";
import type { PeerInfo } from "@hearthmesh/membership";
import type { RingHealth } from "@hearthmesh/pool";
import { countText, factOf, namesText } from "./fact-of.js";
import { RING_BACK_HOLD_MS, RING_SLOW_HOLD_MS } from "./limits.js";

export type RingPeer = Pick<PeerInfo, "nodeId" | "state">;

/**
 * `why` of a fact: a member is `away` by membership; one that a plan was made without is `back`; or
 * the answers became `slow`. The latter two are no reason to break off an answer that runs.
 */
export function ringFacts(
  rings: readonly RingHealth[],
  peers: readonly RingPeer[],
  selfId: string,
): Fact[] {
  return rings.map((ring) => {
    const { ringId, model, epoch, members, running, back, slowness } = ring;
    const subject: Subject = { type: "pool", id: ringId, name: `the ring of ${model}` };
    const all = `epoch ${epoch} runs on ${namesText(members.map(({ name }) => name))}`;
    const values = { model, epoch, members: members.length, running };
    const ill = (why: string, text: string, holdMs: number): Fact => ({
      ...factOf("pool-member-lost", subject, "ill", `${all}; ${text}`, { ...values, why }),
      holdMs,
    });
    const away = awayOf(ring, peers, selfId).map(({ name }) => name);
    if (away.length > 0) {
      const answers = `${countText(running, "answer")} ${running === 1 ? "is" : "are"} under way`;
      return ill("away", `${areText(away)} away; ${answers}`, 0);
    }
    if (running === 0 && back.length > 0) {
      return ill("back", `${areText(back)} there again and not part of it`, RING_BACK_HOLD_MS);
    }
    if (running === 0 && slowness !== undefined) return ill("slow", slowness, RING_SLOW_HOLD_MS);
    return factOf("pool-member-lost", subject, "well", all, values);
  });
}

/** Members of the plan that membership holds for gone. */
export function awayOf(
  { members }: Pick<RingHealth, "members">,
  peers: readonly RingPeer[],
  selfId: string,
): RingHealth["members"] {
  const gone = new Set(
    peers.filter(({ state }) => state === "dead" || state === "left").map(({ nodeId }) => nodeId),
  );
  return members.filter(({ nodeId }) => nodeId !== selfId && gone.has(nodeId));
}

function areText(names: readonly string[]): string {
  return `${namesText(names)} ${names.length === 1 ? "is" : "are"}`;
}

/** Whether a model that this node leads runs on the machines that it should. */
import type { Fact, Monitor, Subject } from "@hearthmesh/healing";
import type { PeerInfo } from "@hearthmesh/membership";
import type { RingHealth, RingLoss } from "@hearthmesh/pool";
import { countText, factOf, namesText } from "./fact-of.js";
import { RING_BACK_HOLD_MS, RING_SLOW_HOLD_MS } from "./limits.js";

export type RingPeer = Pick<PeerInfo, "nodeId" | "state">;

export interface RingsMonitorOptions {
  readonly rings: () => readonly RingHealth[];
  readonly peers: () => readonly RingPeer[];
  readonly selfId: string;
}

export class RingsMonitor implements Monitor {
  readonly name = "rings";
  readonly #options: RingsMonitorOptions;
  /** By the id of the ring, the epoch of the plan that lost a member, as the last look told. */
  #told: ReadonlyMap<string, number> = new Map();

  constructor(options: RingsMonitorOptions) {
    this.#options = options;
  }

  async look(): Promise<readonly Fact[]> {
    const { rings, peers, selfId } = this.#options;
    const all = rings();
    const facts = ringFacts(all, peers(), selfId, this.#told);
    const lost = all.flatMap(({ ringId, loss }) => (loss === undefined ? [] : [{ ringId, loss }]));
    this.#told = new Map(lost.map(({ ringId, loss }) => [ringId, loss.epoch]));
    return facts;
  }
}

/**
 * `why` of a fact: a member was `lost` and the ring plans without it by itself, which one look
 * tells also when it is over by then; a member is `away` by membership; one that a plan was made
 * without is `back`; or the answers became `slow`. The latter two are no reason to break off an
 * answer.
 */
export function ringFacts(
  rings: readonly RingHealth[],
  peers: readonly RingPeer[],
  selfId: string,
  told: ReadonlyMap<string, number> = new Map(),
): Fact[] {
  return rings.map((ring) => {
    const { ringId, model, epoch, members, running, back, slowness, loss } = ring;
    const subject: Subject = { type: "pool", id: ringId, name: `the ring of ${model}` };
    const runs = `epoch ${epoch} runs on ${namesText(members.map(({ name }) => name))}`;
    const all = loss === undefined ? runs : `${runs}; ${lossText(loss)}`;
    const values = { model, epoch, members: members.length, running };
    const ill = (why: string, text: string, holdMs: number): Fact => ({
      ...factOf("pool-member-lost", subject, "ill", text, { ...values, why }),
      holdMs,
    });
    const isNew = loss !== undefined && told.get(ringId) !== loss.epoch;
    if (isAtIt(ring) || isNew) return ill("lost", all, 0);
    const away = awayOf(ring, peers, selfId).map(({ name }) => name);
    if (away.length > 0) {
      const answers = `${countText(running, "answer")} ${running === 1 ? "is" : "are"} under way`;
      return ill("away", `${runs}; ${areText(away)} away; ${answers}`, 0);
    }
    if (running === 0 && back.length > 0) {
      const text = `${runs}; ${areText(back)} there again and not part of it`;
      return ill("back", text, RING_BACK_HOLD_MS);
    }
    if (running === 0 && slowness !== undefined) {
      return ill("slow", `${runs}; ${slowness}`, RING_SLOW_HOLD_MS);
    }
    return factOf("pool-member-lost", subject, "well", all, values);
  });
}

function lossText({ names, reason, epoch, tookMs }: RingLoss): string {
  const lost = `${namesText(names)} ${names.length === 1 ? "was" : "were"} lost to epoch ${epoch}`;
  const done =
    tookMs === undefined
      ? "the ring plans anew by itself"
      : `the ring planned anew by itself in ${(tookMs / 1000).toFixed(1)} s`;
  return `${lost} (${reason}), and ${done}`;
}

/** It plans without a member that failed it, by itself. */
export function isAtIt({ loss }: Pick<RingHealth, "loss">): boolean {
  return loss !== undefined && loss.tookMs === undefined;
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

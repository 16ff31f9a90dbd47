/**
 * What the members of the pools can do, as they say themselves, and how far they are from each
 * other. Asked at most every `MEASURES_FRESH_MS`; a plan after a failure takes what is there.
 */
import { type Clock, errorFields, fromWireError, type NodeId } from "@hearthmesh/core";
import type { PlannerLink, PlannerMember } from "../planner/planner-input.js";
import { decodeMeasure, encodeMeasure, METHODS, type MeasureAnswer } from "./agent-messages.js";
import { optional, parseRecord, textOf, toBytes } from "./checked-json.js";
import { AGENT_BODY_BYTES_MAX, MEASURE_MS_MAX, MEASURES_FRESH_MS, PING_ROUNDS } from "./limits.js";
import type { AgentMember, AgentPorts } from "./ports.js";

interface MeasuredMember extends PlannerMember {
  readonly isSelf: boolean;
  readonly isOnline: boolean;
  /** Of its bandwidth. */
  readonly ageMs: number;
}

export interface Measures {
  readonly members: readonly MeasuredMember[];
  readonly links: readonly PlannerLink[];
}

interface Way {
  readonly roundTripMs: number | undefined;
  readonly relayed: boolean;
  readonly atMs: number;
}

type Ports = Pick<AgentPorts, "self" | "members" | "links" | "host" | "clock" | "log">;

export class MemberMeasures {
  readonly #ports: Ports;
  /** Bytes that would be free if models at rest were let go. */
  readonly #releasable: (exceptRingId: string | undefined) => number;
  readonly #ways = new Map<NodeId, Way>();
  readonly #bandwidths = new Map<NodeId, number>();
  #last: Measures | undefined;

  constructor(ports: Ports, releasable: (ringId: string | undefined) => number) {
    this.#ports = ports;
    this.#releasable = releasable;
  }

  /** The last answer of those who are members still; undefined before the first. */
  get last(): Measures | undefined {
    if (this.#last === undefined) return undefined;
    const { members } = this.#ports;
    const present = this.#last.members.filter(
      ({ isSelf, nodeId }) => isSelf || members.isPeer(nodeId),
    );
    return { ...this.#last, members: present };
  }

  /** A probe measured the link to a member. */
  takeBandwidth(nodeId: NodeId, bytesPerSecond: number): void {
    this.#bandwidths.set(nodeId, bytesPerSecond);
  }

  /** Asks everybody; who does not answer is in the list with the reason. */
  async ask(ringId: string | undefined, signal: AbortSignal): Promise<Measures> {
    const members = this.#ports.members.list();
    const askAll = (withLinks: boolean) =>
      Promise.all(
        members.map(async (member) => {
          const answer = await this.#askOne(member, ringId, withLinks, signal);
          return { member, answer };
        }),
      );
    // Engines first: while one is measured, its machine answers late and looks far away.
    const alone = await askAll(false);
    const answers = members.length === 1 ? alone : await askAll(true);
    signal.throwIfAborted();
    this.#last = {
      members: answers.map(({ member, answer }) => measured(member, answer)),
      links: linksOf(answers),
    };
    return this.#last;
  }

  /** What this node answers when it is asked; `ringId` counts as let go. */
  async own(
    ringId: string | undefined,
    withLinks: boolean,
    signal: AbortSignal,
  ): Promise<MeasureAnswer> {
    const { host, clock } = this.#ports;
    if (host.unavailable !== undefined) {
      const nothing = { memoryBytes: 0, bandwidthBytesPerSecond: 0, ageMs: 0, links: [] };
      return { unavailable: host.unavailable, ...nothing };
    }
    const { bytesPerSecond, measuredAtMs } = await host.bandwidth(signal);
    return {
      unavailable: undefined,
      memoryBytes: Math.max(0, Math.floor(host.memoryBytes() + this.#releasable(ringId))),
      bandwidthBytesPerSecond: bytesPerSecond,
      ageMs: Math.max(0, clock.nowMs() - measuredAtMs),
      links: withLinks ? await this.#ownLinks(signal) : [],
    };
  }

  /** To what another node asks: `ringId`, and whether links are wanted too. */
  async answer(body: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const { ringId, links } = parseRecord(body, AGENT_BODY_BYTES_MAX);
    const ring = optional(ringId, (value) => textOf(value, 256));
    return encodeMeasure(await this.own(ring, links === true, signal));
  }

  async #ownLinks(signal: AbortSignal): Promise<MeasureAnswer["links"]> {
    const all = this.#ports.members.list();
    const others = all.filter(({ isSelf, isOnline }) => !isSelf && isOnline);
    const links: MeasureAnswer["links"][number][] = [];
    // One after the other: calls at the same time would wait for each other.
    for (const { nodeId } of others) links.push(await this.#linkTo(nodeId, signal));
    return links;
  }

  async #askOne(
    member: AgentMember,
    ringId: string | undefined,
    withLinks: boolean,
    signal: AbortSignal,
  ): Promise<MeasureAnswer> {
    const nothing = { memoryBytes: 0, bandwidthBytesPerSecond: 0, ageMs: 0, links: [] };
    if (!member.isOnline) return { ...nothing, unavailable: "offline" };
    try {
      if (member.isSelf) return await this.own(ringId, withLinks, signal);
      const body = toBytes({ v: 1, links: withLinks, ...(ringId && { ringId }) });
      const options = { signal, timeoutMs: MEASURE_MS_MAX };
      return decodeMeasure(
        await this.#ports.links.call(member.nodeId, METHODS.measure, body, options),
      );
    } catch (error) {
      const { message } = fromWireError(error);
      this.#ports.log.debug("a member was not measured", {
        nodeId: member.nodeId,
        ...errorFields(error),
      });
      return { ...nothing, unavailable: message.slice(0, 300) };
    }
  }

  async #linkTo(nodeId: NodeId, signal: AbortSignal): Promise<MeasureAnswer["links"][number]> {
    const { clock } = this.#ports;
    const known = this.#ways.get(nodeId);
    const isFresh = known !== undefined && clock.monotonicMs() - known.atMs < MEASURES_FRESH_MS;
    const way = isFresh ? known : await this.#measureWay(nodeId, signal);
    const { roundTripMs, relayed } = way;
    return { nodeId, roundTripMs, relayed, bytesPerSecond: this.#bandwidths.get(nodeId) };
  }

  async #measureWay(nodeId: NodeId, signal: AbortSignal): Promise<Way> {
    const { links, clock } = this.#ports;
    const roundTripMs = await leastRoundTrip(links, nodeId, clock, signal);
    const relayed = links.wayTo(nodeId)?.relayed ?? false;
    const way = { roundTripMs, relayed, atMs: clock.monotonicMs() };
    this.#ways.set(nodeId, way);
    return way;
  }
}

/** The least of some round trips over the link; undefined when it does not answer. */
async function leastRoundTrip(
  links: AgentPorts["links"],
  nodeId: NodeId,
  clock: Clock,
  signal: AbortSignal,
): Promise<number | undefined> {
  let least: number | undefined;
  for (let round = 0; round < PING_ROUNDS; round++) {
    const startedAtMs = clock.monotonicMs();
    try {
      await links.call(nodeId, METHODS.ping, toBytes({ v: 1 }), { signal, timeoutMs: 2_000 });
    } catch {
      signal.throwIfAborted();
      return least;
    }
    const tookMs = clock.monotonicMs() - startedAtMs;
    least = least === undefined ? tookMs : Math.min(least, tookMs);
  }
  return least;
}

function measured(member: AgentMember, answer: MeasureAnswer): MeasuredMember {
  const { nodeId, name, isSelf, isOnline } = member;
  const { unavailable, memoryBytes, bandwidthBytesPerSecond, ageMs } = answer;
  return {
    ...{ nodeId, name, isSelf, isOnline },
    ...{ unavailable, memoryBytes, bandwidthBytesPerSecond, ageMs },
  };
}

/** Both ends may have measured a link: the worse half of what they say counts. */
function linksOf(
  answers: readonly { member: AgentMember; answer: MeasureAnswer }[],
): PlannerLink[] {
  const byPair = new Map<string, PlannerLink>();
  for (const { member, answer } of answers) {
    for (const link of answer.links) {
      const [a, b] = [member.nodeId, link.nodeId].sort() as [NodeId, NodeId];
      const before = byPair.get(`${a} ${b}`);
      byPair.set(`${a} ${b}`, {
        ...{ a, b },
        roundTripMs: known(Math.max, before?.roundTripMs, link.roundTripMs),
        bytesPerSecond: known(Math.min, before?.bytesPerSecond, link.bytesPerSecond),
        relayed: link.relayed || (before?.relayed ?? false),
      });
    }
  }
  return [...byPair.values()];
}

function known(
  choose: (a: number, b: number) => number,
  a: number | undefined,
  b: number | undefined,
): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : choose(a, b);
}

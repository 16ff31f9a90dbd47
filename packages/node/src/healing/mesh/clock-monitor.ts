/** Whether the clocks of the mesh agree: asks some linked nodes for their time now and then. */
import type { Clock, NodeId } from "@hearthmesh/core";
import type { Fact, Monitor, Subject } from "@hearthmesh/healing";
import type { Link } from "@hearthmesh/qwormhole";
import type { MeshPart } from "../../mesh/mesh-part.js";
import { askTime } from "../../mesh/mesh-time.js";
import { type ClockOffset, isOff, judgeClocks } from "./clock-judge.js";
import {
  CLOCK_ANSWER_MS_MAX,
  CLOCK_ASK_MS,
  CLOCK_FIRST_ASK_MS,
  CLOCK_HOLDS_MS,
  CLOCK_SKEW_MS_MAX,
  CLOCKS_ASKED_MAX,
} from "./limits.js";
import { nameOf } from "./peer-monitor.js";
import { count, seconds } from "./text.js";

export interface ClockMonitorOptions {
  readonly parts: Pick<MeshPart["parts"], "links" | "swim">;
  readonly node: { readonly nodeId: string; readonly name: string };
  /** One node speaks of the clocks of others, so that one wrong clock is one incident. */
  speaksOfOthers(): boolean;
  readonly clock: Clock;
}

interface Answer extends ClockOffset {
  readonly atMs: number;
}

export class ClockMonitor implements Monitor {
  readonly name = "clocks";
  readonly #options: ClockMonitorOptions;
  readonly #answers = new Map<NodeId, Answer>();
  #nextMs: number;

  constructor(options: ClockMonitorOptions) {
    this.#options = options;
    this.#nextMs = options.clock.monotonicMs() + CLOCK_FIRST_ASK_MS;
  }

  async look(signal: AbortSignal): Promise<readonly Fact[]> {
    const { clock } = this.#options;
    const neighbours = this.#neighbours();
    if (clock.monotonicMs() >= this.#nextMs && neighbours.length > 0) {
      await this.#ask(neighbours, signal);
      const againMs = this.#answers.size === 0 ? CLOCK_FIRST_ASK_MS : CLOCK_ASK_MS;
      this.#nextMs = clock.monotonicMs() + againMs;
    }
    const nowMs = clock.monotonicMs();
    for (const [nodeId, { atMs }] of this.#answers) {
      if (nowMs - atMs > CLOCK_HOLDS_MS) this.#answers.delete(nodeId);
    }
    // A node that is alone has nothing to compare.
    if (neighbours.length + this.#answers.size === 0) return [];
    return this.#facts([...this.#answers.values()]);
  }

  #facts(answers: readonly Answer[]): Fact[] {
    const { node, speaksOfOthers } = this.#options;
    const { ownOffMs, off, asked } = judgeClocks(answers);
    const own = ownFact(ownOffMs, asked, clockOf(node.nodeId, node.name));
    if (!speaksOfOthers()) return [own];
    const others = answers.map((answer): Fact => {
      const subject = clockOf(answer.nodeId, answer.name);
      const values = { offsetMs: Math.round(answer.offsetMs) };
      if (ownOffMs === undefined && asked > 1) {
        return { symptom: "clock-skew", subject, verdict: "unknown", evidence: HALVES, values };
      }
      const isIll = off.includes(answer);
      const whose = asked < 2 ? "; of two clocks nobody can say which one is wrong" : "";
      const evidence = isIll
        ? `it is ${difference(answer.offsetMs)} this node's${whose} ${MARK}`
        : `it agrees with the others ${MARK}`;
      const verdict = isIll ? "ill" : "well";
      return { symptom: "clock-skew", subject, verdict, evidence, values };
    });
    return [own, ...others];
  }

  /** Over a relay the way there and the way back may differ much. */
  #neighbours(): readonly Link[] {
    const open = this.#options.parts.links.openLinks();
    return open.filter(({ kind }) => kind === "direct").map(({ link }) => link);
  }

  async #ask(neighbours: readonly Link[], signal: AbortSignal): Promise<void> {
    const { parts, clock } = this.#options;
    const asked = neighbours.slice(0, CLOCKS_ASKED_MAX).map(async (link) => {
      const nodeId = link.peer.nodeId as NodeId;
      const { offsetMs, errorMs } = await askTime(link, clock, CLOCK_ANSWER_MS_MAX, signal);
      const name = nameOf(parts, nodeId);
      this.#answers.set(nodeId, { nodeId, name, offsetMs, errorMs, atMs: clock.monotonicMs() });
    });
    // Who does not answer, such as an older version, has no say.
    await Promise.allSettled(asked);
  }
}

const HALVES = "half of the clocks say another time than the others: nobody can say which is wrong";
const MARK = `(mark: ${seconds(CLOCK_SKEW_MS_MAX)})`;

function ownFact(ownOffMs: number | undefined, asked: number, subject: Subject): Fact {
  const symptom = "clock-skew";
  if (ownOffMs === undefined) {
    const evidence =
      asked === 0
        ? "no clock of another node is known"
        : asked > 1
          ? HALVES
          : "of two clocks nobody can say which one is wrong";
    return { symptom, subject, verdict: "unknown", evidence };
  }
  const values = { offsetMs: Math.round(ownOffMs) };
  if (!isOff(ownOffMs)) {
    const evidence = `it agrees with ${count(asked, "other node")} ${MARK}`;
    return { symptom, subject, verdict: "well", evidence, values };
  }
  const others = count(asked, "other node");
  const evidence = `it is ${difference(ownOffMs)} the median of ${others} ${MARK}`;
  return { symptom, subject, verdict: "ill", evidence, values };
}

function difference(ms: number): string {
  return `${seconds(Math.abs(ms))} ${ms > 0 ? "ahead of" : "behind"}`;
}

function clockOf(nodeId: string, name: string): Subject {
  return { type: "clock", id: nodeId, name };
}

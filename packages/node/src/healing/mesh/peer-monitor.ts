/** Whether other nodes live, and where what they did goes while they do not. */
import type { NodeId } from "@hearthmesh/core";
import type { Fact, Monitor, Subject } from "@hearthmesh/healing";
import type { MeshPart } from "../../mesh/mesh-part.js";
import { PEERS_SPOKEN_OF_MAX } from "./limits.js";
import type { LeftNote, PeerNote } from "./peer-log.js";
import type { PeerWatch } from "./peer-watch.js";
import { list } from "./text.js";

export interface PeerMonitorOptions {
  readonly peers: PeerWatch;
  readonly parts: Pick<MeshPart["parts"], "links" | "routes" | "services" | "swim">;
}

/** What went through a node, or ran on it, as it was last seen. */
interface Duties {
  readonly targets: readonly NodeId[];
  readonly services: readonly string[];
}

const NO_DUTIES: Duties = { targets: [], services: [] };

export class PeerMonitor implements Monitor {
  readonly name = "peers";
  readonly #options: PeerMonitorOptions;
  #duties = new Map<NodeId, Duties>();

  constructor(options: PeerMonitorOptions) {
    this.#options = options;
  }

  watch(wake: () => void): () => void {
    return this.#options.peers.watch(wake);
  }

  async look(): Promise<readonly Fact[]> {
    const notes = this.#options.peers.notes();
    const facts = notes.filter(spokenOf(notes)).map((note) => this.#fact(note));
    this.#keepDuties(notes);
    return [...facts, ...this.#options.peers.left().map(leftFact)];
  }

  #fact(note: PeerNote): Fact {
    const subject = nodeSubject(note);
    const symptom = "peer-unreachable";
    const values = { state: note.state };
    if (note.death !== undefined) {
      const evidence = `${note.death.how}; ${this.#whereItGoes(note)}`;
      return { symptom, subject, verdict: "ill", evidence, values };
    }
    if (note.state === "suspect") {
      const evidence = "it did not answer, and others are asked whether they hear it";
      return { symptom, subject, verdict: "unknown", evidence, values };
    }
    const open = linkOf(this.#options.parts, note.nodeId);
    const evidence = `it answers${open === undefined ? "" : `, with a ${open.kind} link`}`;
    return { symptom, subject, verdict: "well", evidence, values };
  }

  #whereItGoes({ nodeId }: PeerNote): string {
    const { targets, services } = this.#duties.get(nodeId) ?? NO_DUTIES;
    const ways = targets.map((target) => this.#wayTo(target));
    const offers = services.map((service) => this.#offerOf(service));
    if (ways.length + offers.length === 0) return "nothing else went through it";
    return [...ways, ...offers].join("; ");
  }

  #wayTo(target: NodeId): string {
    const { parts } = this.#options;
    const name = nameOf(parts, target);
    const open = linkOf(parts, target);
    if (open?.kind === "direct") return `${name} is reached directly now`;
    const via = open?.via ?? parts.routes.pathsTo(target)[0]?.path.slice(0, -1) ?? [];
    if (via.length === 0) return `${name} was reached through it, and is not reached now`;
    return `${name} is reached through ${list(via.map((relay) => nameOf(parts, relay)))} now`;
  }

  #offerOf(service: string): string {
    const able = this.#options.parts.services
      .all()
      .filter((one) => one.service === service && one.health !== "failing");
    if (able.length === 0) return `nobody else offers ${service}`;
    return `${service} is served by ${list(able.map(({ nodeName }) => nodeName))} now`;
  }

  /** Of those that live; what a dead one did is kept as it was. */
  #keepDuties(notes: readonly PeerNote[]): void {
    const { links, services } = this.#options.parts;
    const relayed = links.openLinks().filter(({ kind }) => kind === "relayed");
    const offered = services.all();
    const kept = new Map<NodeId, Duties>();
    for (const { nodeId, state } of notes) {
      const before = this.#duties.get(nodeId);
      if (state !== "alive") {
        if (before !== undefined) kept.set(nodeId, before);
        continue;
      }
      kept.set(nodeId, {
        targets: relayed
          .filter(({ via }) => via.includes(nodeId))
          .map(({ link }) => link.peer.nodeId as NodeId),
        services: offered.filter((one) => one.nodeId === nodeId).map(({ service }) => service),
      });
    }
    this.#duties = kept;
  }
}

function leftFact(note: LeftNote): Fact {
  const common = { symptom: "node-left", subject: nodeSubject(note) } as const;
  if (note.isBack) return { ...common, verdict: "well", evidence: "it is back" };
  const evidence = "it said goodbye and stopped; ways and requests go without it";
  return { ...common, verdict: "ill", evidence };
}

/** All while they are few; else those that are not well, or were not. */
export function spokenOf(notes: readonly PeerNote[]): (note: PeerNote) => boolean {
  const isFew = notes.length <= PEERS_SPOKEN_OF_MAX;
  return ({ hadTrouble }) => isFew || hadTrouble;
}

export function nodeSubject({ nodeId, name }: Pick<PeerNote, "nodeId" | "name">): Subject {
  return { type: "node", id: nodeId, name };
}

type Sight = Pick<MeshPart["parts"], "links" | "swim">;

export function nameOf({ swim }: Pick<Sight, "swim">, nodeId: NodeId): string {
  return swim.peer(nodeId)?.name ?? nodeId.slice(0, 12);
}

/** The open link to it, a direct one first. */
export function linkOf({ links }: Pick<Sight, "links">, nodeId: NodeId) {
  const open = links.openLinks().filter(({ link }) => link.peer.nodeId === nodeId);
  return open.find(({ kind }) => kind === "direct") ?? open[0];
}

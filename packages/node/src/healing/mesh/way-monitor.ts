/** Whether this node gets to those that live, and how: directly, through others, or not at all. */
import type { Fact, Monitor } from "@hearthmesh/healing";
import type { MeshPart } from "../../mesh/mesh-part.js";
import type { PeerNote } from "./peer-log.js";
import { linkOf, nameOf, nodeSubject, spokenOf } from "./peer-monitor.js";
import type { PeerWatch } from "./peer-watch.js";
import { list } from "./text.js";

export interface WayMonitorOptions {
  readonly peers: PeerWatch;
  readonly parts: Pick<MeshPart["parts"], "links" | "routes" | "swim">;
}

export class WayMonitor implements Monitor {
  readonly name = "ways";
  readonly #options: WayMonitorOptions;

  constructor(options: WayMonitorOptions) {
    this.#options = options;
  }

  watch(wake: () => void): () => void {
    return this.#options.peers.watch(wake);
  }

  async look(): Promise<readonly Fact[]> {
    const notes = this.#options.peers.notes();
    // Of the dead the other monitor tells, and of a suspect nobody knows yet.
    const present = notes.filter(({ state }) => state === "alive").filter(spokenOf(notes));
    return present.flatMap((note) => [this.#relayed(note), this.#missing(note)]);
  }

  #relayed(note: PeerNote): Fact {
    const { parts } = this.#options;
    const subject = nodeSubject(note);
    const symptom = "peer-relayed";
    const open = linkOf(parts, note.nodeId);
    if (open === undefined) {
      return { symptom, subject, verdict: "unknown", evidence: "no link to it is open" };
    }
    if (open.kind === "direct") {
      return { symptom, subject, verdict: "well", evidence: "the link to it is a direct one" };
    }
    const via = list(open.via.map((relay) => nameOf(parts, relay)));
    const why = this.#whyNot(note, "direct");
    const evidence = `the only link to it goes through ${via}${why === "" ? "" : `: ${why}`}`;
    this.#options.peers.troubled(note.nodeId);
    return { symptom, subject, verdict: "ill", evidence, values: { via } };
  }

  #missing(note: PeerNote): Fact {
    const { links, routes } = this.#options.parts;
    const subject = nodeSubject(note);
    const symptom = "route-missing";
    if (links.openLink(note.nodeId) !== undefined) {
      return { symptom, subject, verdict: "well", evidence: "a link to it is open" };
    }
    const ways = routes.pathsTo(note.nodeId);
    const relayed = this.#whyNot(note, "relayed");
    if (ways.length > 0 && relayed === "") {
      const evidence = "no link to it is open, and ways to it are known";
      return { symptom, subject, verdict: "well", evidence, values: { ways: ways.length } };
    }
    this.#options.peers.troubled(note.nodeId);
    const why = [this.#whyNot(note, "direct"), relayed].filter((text) => text !== "").join("; ");
    const known = ways.length === 0 ? "no way to it is known" : "no way to it works";
    const evidence = `others see it, no link to it is open and ${known}${why && `: ${why}`}`;
    return { symptom, subject, verdict: "ill", evidence, values: { ways: ways.length } };
  }

  #whyNot({ nodeId }: PeerNote, wanted: "direct" | "relayed"): string {
    return this.#options.parts.links
      .lastErrors(nodeId)
      .filter(({ kind }) => kind === wanted)
      .map(({ way, reason }) => `${way}: ${reason}`)
      .slice(0, 3)
      .join("; ");
  }
}

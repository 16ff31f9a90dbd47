/** Reads the machine's members in the forms in which they are told. */
import type { NodeId } from "@hearthmesh/core";
import type { PeerDirectory, PeerInfo } from "../ports.js";
import type { NodeRecord } from "../swim/messages.js";
import type { KnownMember, SwimMachine } from "../swim/swim-machine.js";
import type { NodeMeta } from "./node-meta.js";
import { peerInfoOf } from "./peer-info.js";
import type { PeerPath } from "./peer-paths.js";
import type { MemberReport } from "./swim-runtime-options.js";
import type { SummaryEntry } from "./view-summary.js";

export interface MemberSources {
  /** Undefined before the start: then nobody is known. */
  machine(): SwimMachine | undefined;
  meta(record: NodeRecord): NodeMeta | undefined;
  path(nodeId: NodeId): Readonly<PeerPath> | undefined;
}

export class MemberDirectory implements PeerDirectory {
  readonly #sources: MemberSources;

  constructor(sources: MemberSources) {
    this.#sources = sources;
  }

  peer(nodeId: NodeId): PeerInfo | undefined {
    const member = this.#sources.machine()?.member(nodeId);
    return member && this.#infoOf(member);
  }

  peers(): PeerInfo[] {
    return this.#members.map((member) => this.#infoOf(member));
  }

  members(nowMs: number): MemberReport[] {
    const ago = (ms: number | undefined) => (ms === undefined ? undefined : nowMs - ms);
    return this.#members.map((member) => {
      const { nodeId, incarnation, address } = member.record;
      const path = this.#sources.path(nodeId);
      return {
        ...this.#infoOf(member),
        incarnation,
        udpAddress: address,
        udpHeardAgoMs: ago(path?.udpHeardMs),
        linkHeardAgoMs: ago(path?.linkHeardMs),
      };
    });
  }

  /** The whole view, this node included. */
  summary(): SummaryEntry[] {
    const machine = this.#sources.machine();
    if (machine === undefined) return [];
    const { nodeId, incarnation, isLeaving } = machine.self;
    const own = { nodeId, incarnation, state: isLeaving ? "left" : "alive" } as const;
    const others = this.#members.map(({ record, state }) => ({
      nodeId: record.nodeId,
      incarnation: record.incarnation,
      state,
    }));
    return [own, ...others];
  }

  get #members(): KnownMember[] {
    return this.#sources.machine()?.members ?? [];
  }

  #infoOf({ record, state }: KnownMember): PeerInfo {
    return peerInfoOf(record, state, this.#sources.meta(record));
  }
}

/**
 * The connections of one member to all others for one plan: of each two members, the later one in
 * the ring dials the earlier one, again and again until that one is ready too.
 *
 *     joining --all have greeted--> joined --something went wrong--> ended
 *     joining --the plans differ--> ended          any --close--> ended
 *
 * The first thing that goes wrong ends the epoch: `onFault` is called once, never after `close`.
 */
import { type Clock, type Logger, MeshError } from "@hearthmesh/core";
import type { Channel } from "@hearthmesh/qwormhole";
import { type FrameHeader, FrameKind } from "./frame-codec.js";
import { digestOf, encodeFault, type FaultNotice, type Hello } from "./greeting-codec.js";
import { MemberFault } from "./member-fault.js";
import { PeerConnection } from "./peer-connection.js";
import type { RingMeter } from "./ring-meter.js";
import type { RingPlan } from "./ring-plan.js";

/** What the smallest member has room for. */
export type Room = Pick<Hello, "rowsMax" | "sequencesMax">;

interface PlaneHandlers {
  payloadBytesMax(from: number, kind: number): number;
  onJoined(room: Room): void;
  onFrame(from: number, header: FrameHeader, payload: Uint8Array): void;
  onFault(fault: MemberFault): void;
}

export interface PlaneEpochOptions {
  readonly plan: RingPlan;
  readonly position: number;
  readonly room: Room;
  readonly meter: RingMeter;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly handlers: PlaneHandlers;
}

export class PlaneEpoch {
  readonly #options: PlaneEpochOptions;
  readonly #hello: Hello;
  readonly #peers: (PeerConnection | undefined)[];
  readonly #hellos: (Hello | undefined)[];
  /** Before their HELLO. */
  readonly #greeting = new Set<PeerConnection>();
  #state: "joining" | "joined" | "ended" = "joining";

  constructor(options: PlaneEpochOptions) {
    const { plan, position, room } = options;
    this.#options = options;
    this.#hello = { planDigest: digestOf(plan), ...room };
    this.#peers = plan.members.map(() => undefined);
    this.#hellos = plan.members.map((_, at) => (at === position ? this.#hello : undefined));
  }

  get epoch(): number {
    return this.#options.plan.epoch;
  }

  get connectionsOpen(): number {
    return this.#peers.filter((peer) => peer !== undefined).length;
  }

  /** Positions that have not greeted yet. */
  get missing(): number[] {
    return this.#hellos.flatMap((hello, position) => (hello === undefined ? [position] : []));
  }

  /** Where a verified node stands; undefined for one that may not connect to this member. */
  positionOfDialler(nodeId: string): number | undefined {
    const at = this.#options.plan.members.findIndex((member) => member.nodeId === nodeId);
    return at > this.#options.position && this.#state !== "ended" ? at : undefined;
  }

  /** To be called when all is set up; a ring of one is joined at once. */
  begin(): void {
    this.#joinWhenComplete();
  }

  /** A connection whose certificate is that of the member; it is closed when it is one too many. */
  adopt(from: number, channel: Channel, onEnd: () => void = () => undefined): void {
    const { meter, clock, handlers } = this.#options;
    if (this.#state === "ended" || this.#peers[from] !== undefined) {
      channel.destroy();
      onEnd();
      return;
    }
    const peer = new PeerConnection({
      ...{ channel, epoch: this.epoch, hello: this.#hello, meter, clock },
      payloadBytesMax: (kind) => handlers.payloadBytesMax(from, kind),
      onGreeted: (greeted, hello) => this.#onGreeted(from, greeted, hello),
      onFrame: (header, payload) => handlers.onFrame(from, header, payload),
      onEnd: (ended, cause) => {
        this.#greeting.delete(ended);
        this.#onEnd(from, ended, cause);
        onEnd();
      },
    });
    this.#greeting.add(peer);
  }

  hasGreeted(position: number): boolean {
    return this.#hellos[position] !== undefined;
  }

  /** A whole frame; it must not be changed before the peer has it. */
  send(to: number, frame: Uint8Array): void {
    this.#peers[to]?.send(frame);
  }

  sendNew(to: number, kind: number, number: number, payload: Uint8Array): void {
    this.#peers[to]?.sendNew(kind, number, payload);
  }

  /** Ends it; the others are told why. */
  close(notice: FaultNotice): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    for (const peer of this.#peers) peer?.sendNew(FrameKind.fault, 0, encodeFault(notice));
    for (const peer of [...this.#peers, ...this.#greeting]) peer?.close();
    this.#peers.fill(undefined);
    this.#greeting.clear();
  }

  #onGreeted(from: number, peer: PeerConnection, hello: Hello): void {
    this.#greeting.delete(peer);
    if (this.#peers[from] !== undefined) {
      peer.close();
      return;
    }
    this.#peers[from] = peer;
    this.#hellos[from] = hello;
    this.#joinWhenComplete();
  }

  #joinWhenComplete(): void {
    if (this.#state !== "joining" || this.missing.length > 0) return;
    this.#state = "joined";
    const least = (of: (hello: Hello) => number) =>
      Math.min(...this.#hellos.map((hello) => of(hello ?? this.#hello)));
    this.#options.handlers.onJoined({
      rowsMax: least(({ rowsMax }) => rowsMax),
      sequencesMax: least(({ sequencesMax }) => sequencesMax),
    });
  }

  #onEnd(from: number, peer: PeerConnection, cause: unknown): void {
    const wasGreeted = this.#peers[from] === peer;
    if (this.#state === "ended" || (!wasGreeted && cause === undefined)) return;
    const name = this.#options.plan.members[from]?.name ?? "";
    const message = `the connection to ${name} was lost`;
    const fault =
      cause === undefined
        ? new MemberFault(from, new MeshError("MESH_RING_BROKEN", { message }))
        : faultOf(from, cause);
    this.#options.handlers.onFault(fault);
  }
}

/** What a handler threw while it looked at what a member sent. */
export function faultOf(from: number, cause: unknown): MemberFault {
  if (cause instanceof MemberFault) return cause;
  if (cause instanceof MeshError) {
    const isTheirs = cause.code === "MESH_RING_FRAME_INVALID";
    return new MemberFault(isTheirs ? from : undefined, cause);
  }
  return new MemberFault(undefined, new MeshError("MESH_ENGINE_FAILED", { cause }));
}

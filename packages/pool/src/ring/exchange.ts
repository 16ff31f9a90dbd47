/**
 * Adding up the partial sums of all members: the pure machine of one member for one epoch. It does
 * no I/O; what it wants sent it hands to `send`, what came it is told by `accept`.
 *
 * Exchanges are numbered from 0 and follow each other: that of the attention of layer 0, of its
 * feed-forward part, of layer 1, and so on through all steps; even numbers are attention. A member
 * that holds nothing of a part sends nothing there, and nobody waits for it.
 *
 *     idle --begin--> parts --all parts there--> done                       one-shot
 *     idle --begin--> parts --> sums --all sums there--> done               scatter and gather
 *     done --take--> idle, the number rises
 *
 * One-shot: everybody sends its rounded part to everybody and adds all of them in the order of the
 * ring. Scatter and gather: everybody adds up one slice of the values and sends the rounded sum to
 * all. In both, the result is the same bits at every member.
 *
 * Invariants: a peer is at most `EXCHANGES_AHEAD_MAX - 1` exchanges ahead, and each of its frames
 * is taken once; a frame's length is bounded when its header comes and exact when it is used; a
 * value that is not finite never reaches a sum that is used. Errors: `MemberFault` with
 * `MESH_RING_FRAME_INVALID`, or `MESH_ENGINE_FAILED` when the own values are not finite.
 */
import { MeshError } from "@hearthmesh/core";
import { type Sums, sumsOf } from "./bf16.js";
import { FrameKind, HEADER_BYTES, invalidFrame, writeHeader } from "./frame-codec.js";
import { EXCHANGES_AHEAD_MAX } from "./limits.js";
import { MemberFault } from "./member-fault.js";
import { PartInbox } from "./part-inbox.js";
import type { ExchangeMode } from "./step-codec.js";
import { type Payload, payloadOf, type WireFormat } from "./wire-format.js";

export interface ExchangeOptions {
  readonly epoch: number;
  readonly position: number;
  readonly members: number;
  readonly embeddingWidth: number;
  readonly rowsMax: number;
  readonly format: WireFormat;
  /** Who holds something: by position, of attention and of the feed-forward part. */
  readonly contributors: readonly [readonly boolean[], readonly boolean[]];
  /** The frame must not be changed; the machine changes it itself after the peers have it. */
  send(to: number, frame: Uint8Array): void;
}

/** A frame that is built in place and used again a few exchanges later. */
interface FrameBuffer {
  header: DataView;
  payload: Payload;
  /** The frame that was built last. */
  bytes: Uint8Array;
}

/** Of no room. */
function frameBuffer(): FrameBuffer {
  const buffer = new ArrayBuffer(HEADER_BYTES);
  const payload = payloadOf(buffer, HEADER_BYTES);
  return { header: new DataView(buffer), payload, bytes: new Uint8Array(buffer) };
}

export class Exchange {
  readonly #options: ExchangeOptions;
  readonly #parts: PartInbox;
  readonly #sums: PartInbox;
  readonly #sum: Sums;
  readonly #outgoing: FrameBuffer[];
  /** Of the slices of a scatter: one for each receiver. The own one is kept for the sum. */
  readonly #slices: FrameBuffer[][];
  #state: "idle" | "parts" | "sums" | "done" = "idle";
  #number = 0;
  #values = 0;
  #mode: ExchangeMode = "one-shot";

  constructor(options: ExchangeOptions) {
    const { members, position, embeddingWidth, rowsMax, format } = options;
    this.#options = options;
    this.#sum = sumsOf(rowsMax * embeddingWidth);
    this.#parts = new PartInbox(members, position, format.valueBytes);
    this.#sums = new PartInbox(members, position, format.valueBytes);
    const ring = (): FrameBuffer[] => Array.from({ length: EXCHANGES_AHEAD_MAX }, frameBuffer);
    this.#outgoing = ring();
    this.#slices = Array.from({ length: members }, ring);
  }

  /** Of the exchange that runs, or comes next. */
  get number(): number {
    return this.#number;
  }

  /** Largest payload that a peer may send. */
  payloadBytesMax(kind: number): number {
    const { members, format } = this.#options;
    const values = this.#sum.floats.length;
    return format.valueBytes * (kind === FrameKind.partial ? values : Math.ceil(values / members));
  }

  /** Begins the next exchange with the own part of `rows` rows; ignored when it holds nothing. */
  begin(partial: Float32Array, rows: number, mode: ExchangeMode): void {
    if (this.#state !== "idle" || this.#number >= 2 ** 32 - 1) {
      throw new MemberFault(undefined, new MeshError("MESH_RING_BROKEN"));
    }
    this.#state = "parts";
    this.#mode = mode;
    this.#values = rows * this.#options.embeddingWidth;
    if (this.#contributes(this.#options.position)) this.#sendParts(partial);
    for (let from = 0; from < this.#options.members; from++) {
      this.#checkPart(from);
      this.#checkSum(from);
    }
  }

  /** A frame of kind partial, scatter or gather of this epoch. */
  accept(from: number, kind: number, number: number, payload: Uint8Array): void {
    const ahead = number - this.#number;
    if (
      ahead < 0 ||
      ahead >= EXCHANGES_AHEAD_MAX ||
      payload.length % this.#options.format.valueBytes !== 0
    ) {
      throw this.#fault(from, `a frame for exchange ${number} came in exchange ${this.#number}`);
    }
    if (kind === FrameKind.gather) {
      this.#put(this.#sums, from, kind, number, payload);
      this.#checkSum(from);
      return;
    }
    if (this.#options.contributors[number % 2 === 0 ? 0 : 1][from] !== true) {
      throw this.#fault(from, `a part of exchange ${number} came from one that holds nothing`);
    }
    this.#put(this.#parts, from, kind, number, payload);
    this.#checkPart(from);
  }

  /** Goes on as far as it can; true when the sums of all members are there. */
  advance(): boolean {
    if (this.#state === "parts" && this.#missingParts() === undefined) {
      if (this.#mode === "one-shot") {
        this.#addParts(this.#values);
        this.#state = "done";
      } else {
        this.#gatherOwnSlice();
        this.#state = "sums";
      }
    }
    if (this.#state === "sums" && this.#missingSums() === undefined) {
      this.#readSums();
      this.#state = "done";
    }
    return this.#state === "done";
  }

  /** Adds the sums to `x` and ends the exchange; only when `advance` has said true. */
  take(x: Float32Array): void {
    const sum = this.#sum.floats;
    const values = this.#values;
    for (let index = 0; index < values; index++) {
      x[index] = (x[index] as number) + (sum[index] as number);
    }
    this.#state = "idle";
    this.#number++;
  }

  /** The first member that is waited for; undefined when none is. */
  missing(): number | undefined {
    if (this.#state === "parts") return this.#missingParts();
    return this.#state === "sums" ? this.#missingSums() : undefined;
  }

  #contributes(position: number): boolean {
    return this.#options.contributors[this.#number % 2 === 0 ? 0 : 1][position] === true;
  }

  #put(inbox: PartInbox, from: number, kind: number, number: number, payload: Uint8Array): void {
    if (!inbox.put(from, kind, number, payload)) {
      throw this.#fault(from, `a frame for exchange ${number} came twice`);
    }
  }

  #sendParts(partial: Float32Array): void {
    const { members, position } = this.#options;
    if (this.#mode === "one-shot") {
      const frame = this.#frame(this.#outgoing, FrameKind.partial, partial, 0, this.#values);
      for (let to = 0; to < members; to++) if (to !== position) this.#options.send(to, frame);
      return;
    }
    for (let to = 0; to < members; to++) {
      const { from, length } = this.#slice(to);
      const frame = this.#frame(this.#slices[to] ?? [], FrameKind.scatter, partial, from, length);
      if (to !== position) this.#options.send(to, frame);
    }
  }

  /** Values that a member adds up in a scatter. */
  #slice(position: number): { from: number; length: number } {
    const { members } = this.#options;
    const from = Math.floor((this.#values * position) / members);
    return { from, length: Math.floor((this.#values * (position + 1)) / members) - from };
  }

  /** Of `count` values from `from` on; good until `EXCHANGES_AHEAD_MAX` exchanges later. */
  #frame(
    ring: FrameBuffer[],
    kind: number,
    values: Float32Array,
    from: number,
    count: number,
  ): Uint8Array {
    const { epoch, format } = this.#options;
    const payloadBytes = format.valueBytes * count;
    const frameBytes = HEADER_BYTES + payloadBytes;
    const frame = ring[this.#number % EXCHANGES_AHEAD_MAX] as FrameBuffer;
    if (frame.header.byteLength < frameBytes) {
      const buffer = new ArrayBuffer(frameBytes);
      frame.header = new DataView(buffer);
      frame.payload = payloadOf(buffer, HEADER_BYTES);
    }
    const { buffer } = frame.header;
    if (frame.bytes.buffer !== buffer || frame.bytes.length !== frameBytes) {
      frame.bytes = new Uint8Array(buffer, 0, frameBytes);
    }
    writeHeader(frame.header, { kind, epoch, number: this.#number, payloadBytes });
    if (format.encode(values, from, count, frame.payload)) return frame.bytes;
    const message = "the engine gave values that are no numbers";
    throw new MemberFault(undefined, new MeshError("MESH_ENGINE_FAILED", { message }));
  }

  /** Only when the exchange of this frame has begun is it known what is right. */
  #checkPart(from: number): void {
    const part = this.#parts.get(from, this.#number);
    if (this.#state !== "parts" || part === undefined) return;
    const isOneShot = this.#mode === "one-shot";
    const values = isOneShot ? this.#values : this.#slice(this.#options.position).length;
    const kind = isOneShot ? FrameKind.partial : FrameKind.scatter;
    if (part.kind !== kind || part.values !== values) {
      throw this.#fault(from, `${part.values} values of kind ${part.kind} came, not ${values}`);
    }
  }

  #checkSum(from: number): void {
    const part = this.#sums.get(from, this.#number);
    if (this.#state === "idle" || part === undefined) return;
    const values = this.#mode === "one-shot" ? -1 : this.#slice(from).length;
    if (part.values !== values) throw this.#fault(from, `${part.values} sums came unasked`);
  }

  #missingParts(): number | undefined {
    for (let from = 0; from < this.#options.members; from++) {
      if (from === this.#options.position || !this.#contributes(from)) continue;
      if (this.#parts.get(from, this.#number) === undefined) return from;
    }
    return undefined;
  }

  #missingSums(): number | undefined {
    for (let from = 0; from < this.#options.members; from++) {
      if (from === this.#options.position) continue;
      if (this.#sums.get(from, this.#number) === undefined) return from;
    }
    return undefined;
  }

  /** All parts, rounded, in the order of the ring. */
  #addParts(values: number): void {
    const { members, position, format } = this.#options;
    const own = this.#mode === "one-shot" ? this.#outgoing : (this.#slices[position] ?? []);
    const sum = this.#sum;
    let isFirst = true;
    for (let from = 0; from < members; from++) {
      if (!this.#contributes(from)) continue;
      const part = from === position ? this.#ownPart(own) : this.#parts.take(from, this.#number);
      const areFinite = isFirst
        ? format.set(part, values, sum, 0)
        : format.add(part, values, sum, 0);
      isFirst = false;
      if (!areFinite) throw this.#fault(from, "a part holds values that are no numbers");
    }
  }

  #ownPart(ring: FrameBuffer[]): Payload {
    return (ring[this.#number % EXCHANGES_AHEAD_MAX] as FrameBuffer).payload;
  }

  #gatherOwnSlice(): void {
    const { members, position } = this.#options;
    const { length } = this.#slice(position);
    this.#addParts(length);
    const sums = this.#sum.floats;
    const frame = this.#frame(this.#outgoing, FrameKind.gather, sums, 0, length);
    for (let to = 0; to < members; to++) if (to !== position) this.#options.send(to, frame);
  }

  #readSums(): void {
    const { members, position, format } = this.#options;
    for (let from = 0; from < members; from++) {
      const slice = this.#slice(from);
      const isOwn = from === position;
      const part = isOwn ? this.#ownPart(this.#outgoing) : this.#sums.take(from, this.#number);
      if (format.set(part, slice.length, this.#sum, slice.from)) continue;
      throw this.#fault(from, "a sum holds values that are no numbers");
    }
  }

  #fault(from: number, message: string): MemberFault {
    return new MemberFault(from, invalidFrame(message));
  }
}

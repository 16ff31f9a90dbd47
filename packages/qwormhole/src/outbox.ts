/**
 * Everything that a link sends: four priorities, each with a queue of frames and a ring of streams
 * that have bytes and credit. What is said within one tick is written together; a microtask starts
 * the writing, so there is no timer in the path and no wait for company.
 *
 * The channel is given as much as it takes; the rest waits here, where a higher priority can still
 * overtake. Higher priorities go first, but a waiting lower one gets a turn after
 * `STARVATION_BYTES_MAX`. Within a priority, frames and streams take turns, and so do the streams.
 *
 * A rate limit holds back all but `control`: a ping that waited would make the peer look dead.
 */
import { QWormholeError } from "./errors.js";
import { FrameWriter } from "./frame-writer.js";
import {
  CALL_WRITE_BYTES_MIN,
  CHANNEL_BUFFER_BYTES_MAX,
  type LinkLimits,
  STARVATION_BYTES_MAX,
} from "./limits.js";
import type { Priority } from "./link.js";
import type { Pacer } from "./pacer.js";
import type { Channel } from "./transport.js";

export const PRIORITY_LEVEL: Record<Priority, number> = { control: 0, rpc: 1, gossip: 2, bulk: 3 };
export const PRIORITIES: readonly Priority[] = ["control", "rpc", "gossip", "bulk"];
const LEVELS = PRIORITIES.length;
const CONTROL_LEVEL = PRIORITY_LEVEL.control;

/** A stream as the outbox sees it. */
export interface FrameSource {
  /** Adds one frame of about `WRITE_BYTES_TARGET` to `pieces` and returns its bytes. */
  produce(pieces: Uint8Array[]): number;
  readonly hasWork: boolean;
}

class Level {
  readonly writer = new FrameWriter();
  ring: FrameSource[] = [];
  streamsTurn = false;
  /** Bytes that higher levels sent while this one waited. */
  starvedBytes = 0;

  get hasWork(): boolean {
    return this.writer.queuedBytes > 0 || this.ring.length > 0;
  }
}

export class Outbox {
  readonly #channel: Channel;
  readonly #limits: LinkLimits;
  readonly #levels = Array.from({ length: LEVELS }, () => new Level());
  readonly #active = new Set<FrameSource>();
  readonly #onFlushed: () => void;
  readonly #pacer: Pacer | undefined;
  readonly #flush = () => this.flush();
  #scheduled = false;
  /** The channel said to wait for its drain. */
  #blocked = false;
  #closed = false;
  #waiters: (() => void)[] = [];
  bytesOut = 0;
  streamFramesOut = 0;

  constructor(channel: Channel, limits: LinkLimits, onFlushed: () => void, pacer: Pacer) {
    this.#channel = channel;
    this.#limits = limits;
    this.#onFlushed = onFlushed;
    this.#pacer = pacer.hasLimits ? pacer : undefined;
  }

  /** Whether a stream's bytes may be used again when they were produced. */
  get copiesWrites(): boolean {
    return this.#channel.copiesWrites === true;
  }

  /** Bytes of frames that wait here; streams hold their own. */
  get queuedBytes(): number {
    let bytes = 0;
    for (const level of this.#levels) bytes += level.writer.queuedBytes;
    return bytes;
  }

  get framesOut(): number {
    return this.#levels.reduce((sum, level) => sum + level.writer.framesOut, this.streamFramesOut);
  }

  get isIdle(): boolean {
    return this.#active.size === 0 && this.queuedBytes === 0;
  }

  /** The writer for a frame of `bytes`; call `commit` after it. Throws `QW_QUEUE_FULL`. */
  writer(level: number, bytes: number): FrameWriter {
    const { queueBytesMax } = this.#limits;
    if (this.queuedBytes + bytes > queueBytesMax) {
      const message = `more than ${queueBytesMax} bytes wait to be sent to the peer`;
      throw new QWormholeError("QW_QUEUE_FULL", { message });
    }
    return (this.#levels[level] as Level).writer;
  }

  /**
   * Finishes a frame. False when more waits than the high-water mark. Requests and answers do not
   * wait for all that the tick will bring: the peer begins with the first of them meanwhile.
   */
  commit(writer: FrameWriter, isCall = false): boolean {
    const isFull = writer.finish();
    const isEnough = isCall && !this.#blocked && writer.queuedBytes >= CALL_WRITE_BYTES_MIN;
    if ((isFull || isEnough) && !this.#closed) this.flush();
    else this.#schedule();
    return writer.queuedBytes <= this.#limits.highWaterBytes;
  }

  frame(level: number, type: number, channel: number, payload: Uint8Array): boolean {
    const writer = this.writer(level, payload.length);
    writer.begin(type, channel, payload.length);
    writer.bytes(payload);
    return this.commit(writer);
  }

  /** The stream has something to send from now on. */
  activate(source: FrameSource, level: number): void {
    if (this.#closed || this.#active.has(source)) return;
    this.#active.add(source);
    (this.#levels[level] as Level).ring.push(source);
    this.#schedule();
  }

  /** Resolves at the low-water mark, or when the outbox was closed. */
  drained(): Promise<void> {
    if (this.#closed || this.queuedBytes <= this.#limits.highWaterBytes / 4) {
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Drops everything. */
  close(): void {
    this.#closed = true;
    this.#pacer?.stop();
    this.#active.clear();
    for (const level of this.#levels) {
      level.writer.clear();
      level.ring = [];
    }
    this.#wake();
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    queueMicrotask(this.#flush);
  }

  onDrain(): void {
    this.#blocked = false;
    this.flush();
  }

  /** Writes as much as the channel takes. */
  flush(): void {
    this.#scheduled = false;
    while (!this.#closed && !this.#blocked) {
      const pieces = this.#pacer === undefined ? this.#collect() : this.#collectPaced(this.#pacer);
      if (pieces.length === 0) break;
      this.#blocked = !this.#channel.write(pieces);
    }
    if (this.#waiters.length > 0 && this.queuedBytes <= this.#limits.highWaterBytes / 4) {
      this.#wake();
    }
    this.#onFlushed();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }

  /** One frame or segment at a time, so that the debt stays small; or only `control`. */
  #collectPaced(pacer: Pacer): Uint8Array[] {
    if (!this.#levels.some((level) => level.hasWork)) return [];
    const before = this.bytesOut;
    const isTurn = pacer.mayGo();
    const pieces = isTurn ? this.#collect(1) : this.#collect(1, CONTROL_LEVEL);
    pacer.take(this.bytesOut - before, isTurn);
    return pieces;
  }

  /** The pieces of the next write: at least `bytesMax` when there is as much. */
  #collect(bytesMax = CHANNEL_BUFFER_BYTES_MAX, lastLevel = LEVELS - 1): Uint8Array[] {
    let pieces: Uint8Array[] = [];
    let bytes = 0;
    while (bytes < bytesMax) {
      const index = this.#nextLevel(lastLevel);
      const level = this.#levels[index];
      if (level === undefined) break;
      let taken: number;
      if (level.ring.length > 0 && (level.streamsTurn || level.writer.queuedBytes === 0)) {
        level.streamsTurn = false;
        taken = this.#produce(level, pieces);
      } else {
        level.streamsTurn = true;
        const segment = level.writer.take();
        if (segment === undefined) break;
        taken = segment.bytes;
        if (pieces.length === 0) pieces = segment.pieces;
        else pieces.push(...segment.pieces);
      }
      bytes += taken;
      this.#countStarved(index, taken);
    }
    this.bytesOut += bytes;
    return pieces;
  }

  #produce(level: Level, pieces: Uint8Array[]): number {
    const source = level.ring.shift() as FrameSource;
    const bytes = source.hasWork ? source.produce(pieces) : 0;
    if (bytes > 0) this.streamFramesOut++;
    if (source.hasWork) level.ring.push(source);
    else this.#active.delete(source);
    return bytes;
  }

  /** -1 when nothing waits. */
  #nextLevel(lastLevel: number): number {
    let next = -1;
    for (let index = lastLevel; index >= 0; index--) {
      const level = this.#levels[index] as Level;
      if (!level.hasWork) continue;
      if (level.starvedBytes >= STARVATION_BYTES_MAX) return index;
      next = index;
    }
    return next;
  }

  #countStarved(served: number, bytes: number): void {
    (this.#levels[served] as Level).starvedBytes = 0;
    for (let index = served + 1; index < LEVELS; index++) {
      const level = this.#levels[index] as Level;
      if (level.hasWork) level.starvedBytes += bytes;
      else level.starvedBytes = 0;
    }
  }
}

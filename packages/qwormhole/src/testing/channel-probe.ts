/** Records what a channel reports. */
import { createHash } from "node:crypto";
import type { Channel } from "../transport.js";

export class Probe {
  readonly channel: Channel;
  readonly closed: Promise<Error | undefined>;
  readonly #pieces: Uint8Array[] = [];
  #waiting: { condition: () => boolean; resolve: () => void }[] = [];
  bytes = 0;
  drains = 0;
  closes = 0;

  constructor(channel: Channel) {
    this.channel = channel;
    let settle: (error: Error | undefined) => void = () => {};
    this.closed = new Promise((resolve) => {
      settle = resolve;
    });
    channel.setHandlers({
      onData: (bytes) => {
        this.bytes += bytes.length;
        this.#pieces.push(bytes);
        this.#changed();
      },
      onDrain: () => {
        this.drains++;
        this.#changed();
      },
      onClose: (error) => {
        this.closes++;
        settle(error);
        this.#changed();
      },
    });
  }

  /** The condition is looked at when this channel reports something, and after each turn. */
  async waitFor(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await Promise.race([
        new Promise<void>((resolve) => this.#waiting.push({ condition, resolve })),
        new Promise((resolve) => setImmediate(resolve)),
      ]);
    }
  }

  waitForBytes(bytes: number): Promise<void> {
    return this.waitFor(() => this.bytes >= bytes);
  }

  digest(): string {
    return this.digestOfKept();
  }

  /** Of the first bytes as the pieces hold them now. */
  digestOfKept(bytes = this.bytes): string {
    return digestOf(Buffer.concat(this.#pieces).subarray(0, bytes));
  }

  #changed(): void {
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ condition }) => !condition());
    for (const { condition, resolve } of waiting) if (condition()) resolve();
  }
}

/** Bytes of an endless pattern, from `offset` on. */
export function patternBytes(length: number, offset = 0): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(length);
  for (let at = 0; at < length; at++) bytes[at] = ((offset + at) * 31 + ((offset + at) >> 8)) & 255;
  return bytes;
}

/** Digest of the first bytes of the pattern. */
export function expectedBytes(length: number): string {
  return digestOf(patternBytes(length));
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The messages of one priority that wait, in their order. */
import { type ChannelMetrics, emptyChannelMetrics } from "./metrics.js";

/** Taken places at the front of a queue are given back when there are this many. */
const TAKEN_PLACES_MAX = 1024;

export interface WaitingMessage {
  readonly payload: Uint8Array;
  readonly kind: number;
  readonly sinceMs: number;
}

export class SendLane {
  items: (WaitingMessage | undefined)[] = [];
  at = 0;
  bytes = 0;
  readonly metrics: ChannelMetrics = emptyChannelMetrics();

  get length(): number {
    return this.items.length - this.at;
  }

  get first(): WaitingMessage | undefined {
    return this.items[this.at];
  }

  push(item: WaitingMessage): void {
    this.items.push(item);
    this.bytes += item.payload.length;
  }

  shift(): WaitingMessage | undefined {
    const item = this.items[this.at];
    if (item === undefined) return undefined;
    this.items[this.at++] = undefined;
    this.bytes -= item.payload.length;
    if (this.at === this.items.length) {
      this.items = [];
      this.at = 0;
    } else if (this.at >= TAKEN_PLACES_MAX && this.at * 2 > this.items.length) {
      this.items.splice(0, this.at);
      this.at = 0;
    }
    return item;
  }
}

/** What is counted, per connection and channel, and summed for a server or client. */
import type { Priority } from "../link.js";
import { PRIORITIES } from "../outbox.js";

/**
 * Why a message was dropped. `queue-full`: its channel's queue was full and the policy says to
 * drop; `expired`: it waited too long for a connection; `invalid`: the deserializer could not read
 * it; `closed`: the connection ended while it waited here; `refused`: it is larger than the peer
 * takes that came while it waited.
 */
export const DROP_REASONS = ["queue-full", "expired", "invalid", "closed", "refused"] as const;
export type DropReason = (typeof DROP_REASONS)[number];

/** One direction-independent set of counters for a channel, which is a priority. */
export interface ChannelMetrics {
  messagesIn: number;
  messagesOut: number;
  /** Payload bytes of messages. */
  messageBytesIn: number;
  messageBytesOut: number;
  queuedMessages: number;
  queuedBytes: number;
  /** How long messages stood in the queue: smoothed over the last ones, and the longest. */
  sendWaitMs: number;
  sendWaitMsMax: number;
  drops: Record<DropReason, number>;
}

export interface TransferMetrics {
  /** Bytes of the wire, with framing, as the link counts them. */
  bytesIn: number;
  bytesOut: number;
  messagesIn: number;
  messagesOut: number;
  queuedBytes: number;
  queuedMessages: number;
  drops: Record<DropReason, number>;
  /** How often a queue went above its mark, and came to rest again. */
  backpressureEvents: number;
  drainEvents: number;
  channels: Record<Priority, ChannelMetrics>;
}

export interface ConnectionMetrics extends TransferMetrics {
  id: string;
  nodeId: string;
  remoteAddress: string;
  connectedMs: number;
  roundTripMs: number | undefined;
  openRequests: number;
  openStreams: number;
}

export interface ServerMetrics extends TransferMetrics {
  /** Connections now, and since the server was made. */
  connections: number;
  connectionsTotal: number;
  /** Handshakes under way. */
  handshakes: number;
  /** Connections that were refused, by error code. */
  refused: Record<string, number>;
  /** Connections that ended, by error code; `orderly` without one. */
  closes: Record<string, number>;
  peers: ConnectionMetrics[];
}

export interface ClientMetrics extends TransferMetrics {
  /** 1 when connected, otherwise 0. */
  connections: number;
  connectionsTotal: number;
  /** Losses after which it dialled again, by error code; `orderly` without one. */
  reconnects: Record<string, number>;
  /** Dials that failed, by error code. */
  failedDials: Record<string, number>;
  roundTripMs: number | undefined;
  /** Where it is connected, such as `10.0.0.1:9000`. */
  endpoint: string | undefined;
  peers: ConnectionMetrics[];
}

function noDrops(): Record<DropReason, number> {
  return { "queue-full": 0, expired: 0, invalid: 0, closed: 0, refused: 0 };
}

export function emptyChannelMetrics(): ChannelMetrics {
  return {
    messagesIn: 0,
    messagesOut: 0,
    messageBytesIn: 0,
    messageBytesOut: 0,
    queuedMessages: 0,
    queuedBytes: 0,
    sendWaitMs: 0,
    sendWaitMsMax: 0,
    drops: noDrops(),
  };
}

export function emptyTransferMetrics(): TransferMetrics {
  return {
    bytesIn: 0,
    bytesOut: 0,
    messagesIn: 0,
    messagesOut: 0,
    queuedBytes: 0,
    queuedMessages: 0,
    drops: noDrops(),
    backpressureEvents: 0,
    drainEvents: 0,
    channels: {
      control: emptyChannelMetrics(),
      rpc: emptyChannelMetrics(),
      gossip: emptyChannelMetrics(),
      bulk: emptyChannelMetrics(),
    },
  };
}

function addNumbers<Key extends string>(sum: Record<Key, number>, part: Record<Key, number>): void {
  for (const key of Object.keys(part) as Key[]) sum[key] += part[key];
}

function addChannel(sum: ChannelMetrics, part: ChannelMetrics): void {
  const waitMs = Math.max(sum.sendWaitMs, part.sendWaitMs);
  const waitMsMax = Math.max(sum.sendWaitMsMax, part.sendWaitMsMax);
  const { drops, ...numbers } = part;
  const { drops: _drops, ...sums } = sum;
  addNumbers(sums, numbers);
  Object.assign(sum, sums, { sendWaitMs: waitMs, sendWaitMsMax: waitMsMax });
  addNumbers(sum.drops, drops);
}

/** Adds `part` to `sum`; of waits, which do not add up, the longest stands. */
export function addTransfer(sum: TransferMetrics, part: TransferMetrics): void {
  sum.bytesIn += part.bytesIn;
  sum.bytesOut += part.bytesOut;
  sum.messagesIn += part.messagesIn;
  sum.messagesOut += part.messagesOut;
  sum.queuedBytes += part.queuedBytes;
  sum.queuedMessages += part.queuedMessages;
  sum.backpressureEvents += part.backpressureEvents;
  sum.drainEvents += part.drainEvents;
  addNumbers(sum.drops, part.drops);
  for (const priority of PRIORITIES) addChannel(sum.channels[priority], part.channels[priority]);
}

/** Counts by a code; bounded, because the codes come from the registry. */
export function count(counts: Record<string, number>, code: string): void {
  counts[code] = (counts[code] ?? 0) + 1;
}

/** The code under which an end or failure is counted. */
export function codeOf(error: Error | undefined): string {
  if (error === undefined) return "orderly";
  const { code } = error as { code?: unknown };
  return typeof code === "string" && code.startsWith("QW_") ? code : "other";
}

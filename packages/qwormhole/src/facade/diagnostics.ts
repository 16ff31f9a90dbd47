/**
 * What is told on `node:diagnostics_channel`, for tracing and monitoring that must not touch the
 * application. Publishing costs nothing while nobody subscribes.
 */
import { channel } from "node:diagnostics_channel";

/** The names, and what is published on each. */
export const DIAGNOSTICS_CHANNELS = {
  /** `{ side, id, nodeId, remoteAddress, tags }` */
  open: "qwormhole:connection:open",
  /** `{ side, id, nodeId, remoteAddress, error, metrics }` */
  close: "qwormhole:connection:close",
  /** `{ side, remoteAddress, error }` */
  refused: "qwormhole:handshake:refused",
  /** `{ side, id, reason, messages, priority }` */
  drop: "qwormhole:message:drop",
  /** `{ attempt, delayMs, error }` */
  reconnecting: "qwormhole:client:reconnecting",
} as const;

export type DiagnosticsName = keyof typeof DIAGNOSTICS_CHANNELS;

/** `facts` is asked only when somebody listens. */
export function diagnose(name: DiagnosticsName, facts: () => object): void {
  const target = channel(DIAGNOSTICS_CHANNELS[name]);
  if (target.hasSubscribers) target.publish(facts());
}

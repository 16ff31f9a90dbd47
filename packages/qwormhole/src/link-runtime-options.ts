/** What a link is made of when its handshake is over. */
import type { FrameDecoder } from "./frames.js";
import type { Side } from "./handshake.js";
import type { Hello } from "./hello.js";
import type { LinkLimits } from "./limits.js";
import type { LinkClock, LinkOptions, LinkTraces, Peer, RateBucket } from "./link.js";
import type { Channel } from "./transport.js";

export interface LinkRuntimeOptions {
  readonly side: Side;
  readonly channel: Channel;
  readonly decoder: FrameDecoder;
  readonly peer: Peer;
  /** What the peer said it accepts. */
  readonly hello: Hello;
  readonly handlers: LinkOptions["handlers"];
  readonly limits: LinkLimits;
  readonly clock: LinkClock;
  readonly pingIntervalMs: number;
  readonly deadAfterMs: number;
  readonly sendBuckets: readonly RateBucket[] | undefined;
  readonly traces: LinkTraces | undefined;
  readonly receiveBuckets: readonly RateBucket[] | undefined;
  /** What went over the channel before, with the chunk that is being decoded. */
  readonly handshakeBytes: { readonly in: number; readonly out: number };
}

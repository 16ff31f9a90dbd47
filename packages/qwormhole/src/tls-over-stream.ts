/**
 * TLS inside a stream of a link, from end to end: who passes the stream on sees neither the bytes
 * nor can it change them. The rules are those of `tlsTransport`, and so is the channel: kind `tls`,
 * its own exporter binding, the certificates of the far end. A link over it is a full link.
 *
 *     const stream = await hub.openStream("relay.open", header);
 *     const link = await linkOverStream(stream, "dialer", { credentials, identity, handlers });
 *
 * The taking side calls it in `onStream`, and returns from there only when the link has closed.
 */
import type { Duplex } from "node:stream";
import { connect, createServer, type TLSSocket } from "node:tls";
import { QWormholeError } from "./errors.js";
import type { Side } from "./handshake.js";
import type { Link, LinkClock, LinkOptions, LinkStream } from "./link.js";
import { openLink } from "./open-link.js";
import { reasonOf } from "./socket-channel.js";
import { streamDuplex } from "./stream-duplex.js";
import { systemLinkClock } from "./system-clock.js";
import { channelOf, type TlsCredentials, tlsClientOptions, tlsServerOptions } from "./tls-rules.js";
import type { Channel } from "./transport.js";

const HANDSHAKE_TIMEOUT_MS_DEFAULT = 10_000;
/**
 * Behind a relay that holds a stream to a rate, an answer waits for all that was sent before it: up
 * to a window of each hop. Each hop notices a dead neighbour by itself and ends the stream, so the
 * ends themselves need not be quick.
 */
const PING_INTERVAL_MS_DEFAULT = 5000;
const DEAD_AFTER_MS_DEFAULT = 60_000;
/** What a duplex holds beyond the window of its stream. */
const DUPLEX_BYTES = 256 * 1024;

export interface TlsOverStreamOptions {
  credentials(): TlsCredentials;
  /** Default 10,000: the handshake takes round trips over each hop. */
  handshakeTimeoutMs?: number;
  /** Gives up the handshake. */
  signal?: AbortSignal;
  clock?: LinkClock;
}

/**
 * Resolves when both certificates were verified. Rejects with what the stream failed with (a relay
 * that refuses says so by a reset), `QW_TLS_FAILED`, `QW_HANDSHAKE_TIMEOUT` or `QW_CANCELLED`; the
 * stream is reset then. As for every channel, its handlers must be set in the tick in which the
 * promise resolves.
 */
export async function tlsOverStream(
  stream: LinkStream,
  side: Side,
  options: TlsOverStreamOptions,
): Promise<Channel> {
  const duplex = streamDuplex(stream, { highWaterBytes: DUPLEX_BYTES, endsGently: true });
  const relay = `relay:${stream.peer.remoteAddress}`;
  try {
    const socket = await handshake(duplex, side, relay, options);
    return channelOf(socket, { localAddress: "relay", remoteAddress: relay });
  } catch (error) {
    duplex.destroy(error as Error);
    throw error;
  }
}

export interface LinkOverStreamOptions
  extends LinkOptions,
    Pick<TlsOverStreamOptions, "credentials" | "signal"> {}

/**
 * `tlsOverStream` and the link over it. `pingIntervalMs` is 5,000 here by default, `deadAfterMs`
 * 60,000, and `handshakeTimeoutMs` (10,000) is for each of the two handshakes. `onOpen` is called
 * before anything of the link is delivered.
 */
export async function linkOverStream(
  stream: LinkStream,
  side: Side,
  options: LinkOverStreamOptions,
  onOpen?: (link: Link) => void,
): Promise<Link> {
  const { credentials, signal, clock, handshakeTimeoutMs = HANDSHAKE_TIMEOUT_MS_DEFAULT } = options;
  const channel = await tlsOverStream(stream, side, {
    credentials,
    handshakeTimeoutMs,
    ...(signal === undefined ? {} : { signal }),
    ...(clock === undefined ? {} : { clock }),
  });
  const onAbort = () => {
    channel.destroy(new QWormholeError("QW_CANCELLED", { cause: signal?.reason }));
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const pings = {
      pingIntervalMs: PING_INTERVAL_MS_DEFAULT,
      deadAfterMs: DEAD_AFTER_MS_DEFAULT,
    };
    return await openLink(channel, side, { ...pings, ...options, handshakeTimeoutMs }, onOpen);
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

function handshake(
  duplex: Duplex,
  side: Side,
  remote: string,
  options: TlsOverStreamOptions,
): Promise<TLSSocket> {
  const { signal, clock = systemLinkClock() } = options;
  const credentials = options.credentials();
  return new Promise((resolve, reject) => {
    let isOver = false;
    const settle = (finish: () => void) => {
      if (isOver) return;
      isOver = true;
      timer.cancel();
      signal?.removeEventListener("abort", onAbort);
      finish();
    };
    const fail = (error: Error) => settle(() => reject(error));
    const onAbort = () => fail(new QWormholeError("QW_CANCELLED", { cause: signal?.reason }));
    const timeoutMs = options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS_DEFAULT;
    const onTimeout = () => fail(new QWormholeError("QW_HANDSHAKE_TIMEOUT"));
    const timer = clock.setTimeout(onTimeout, timeoutMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    duplex.on("error", fail);
    for (const event of ["end", "close"]) {
      duplex.once(event, () => fail(tlsError(remote, "the stream ended")));
    }
    const ready = (socket: TLSSocket) => {
      // The socket would only say that its write failed; the stream knows why. Until the channel
      // listens, nobody else does.
      socket.on("error", () => {});
      // It takes this over from the duplex; a channel ends as a whole.
      socket.allowHalfOpen = false;
      duplex.on("error", (error) => socket.destroy(error));
      socket.once("close", () => duplex.destroy());
      settle(() => resolve(socket));
    };
    const refused = (cause: Error) =>
      fail(duplex.errored ?? tlsError(remote, reasonOf(cause), cause));
    if (side === "dialer") dialTls(duplex, credentials, ready, refused);
    else acceptTls(duplex, credentials, ready, refused);
    if (signal?.aborted) onAbort();
  });
}

function dialTls(
  duplex: Duplex,
  credentials: TlsCredentials,
  ready: (socket: TLSSocket) => void,
  refused: (error: Error) => void,
): void {
  const socket = connect({ socket: duplex, ...tlsClientOptions(credentials) });
  socket.on("error", refused);
  socket.once("secureConnect", () => {
    socket.off("error", refused);
    ready(socket);
  });
}

/** A TLS server that listens nowhere: it is handed this one connection. */
function acceptTls(
  duplex: Duplex,
  credentials: TlsCredentials,
  ready: (socket: TLSSocket) => void,
  refused: (error: Error) => void,
): void {
  const server = createServer(tlsServerOptions(credentials));
  server.once("secureConnection", ready);
  server.on("tlsClientError", (error, socket) => {
    // For a certificate that is not accepted, the error itself says "socket hang up" and no more.
    const reason: unknown = socket.authorizationError;
    refused(reason ? new Error(String(reason), { cause: error }) : error);
  });
  server.emit("connection", duplex);
}

function tlsError(remote: string, reason: string, cause?: Error): QWormholeError {
  const message = `the TLS handshake with ${remote} failed: ${reason}`;
  return new QWormholeError("QW_TLS_FAILED", {
    message,
    ...(cause === undefined ? {} : { cause }),
  });
}

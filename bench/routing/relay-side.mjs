/** The processes of `relay.mjs`: a target, a hub that passes streams on, and an origin. */
import { createPrivateKey } from "node:crypto";
import { silentLogger, systemClock } from "../../packages/core/dist/index.js";
import {
  dialThroughRelays,
  RELAY_POLICY_DEFAULT,
  RelayService,
} from "../../packages/membership/dist/relay/index.js";
import {
  dialLink,
  linkIdentityOf,
  linkOverStream,
  listenLinks,
  nodeIdOfPublicKey,
  TokenBucket,
  tlsTransport,
} from "../../packages/qwormhole/dist/index.js";
import { secondsSince, ticks } from "../transport/measure.mjs";

const LOOPBACK = "127.0.0.1";
const PIECE = Buffer.alloc(1 << 20, 7);
const NONE = new Uint8Array(0);
/** What a rate may save up: a few milliseconds of a busy timer. */
const BURST_MS = 20;

async function countStream(stream) {
  let bytes = 0;
  for await (const piece of stream.readable) bytes += piece.length;
  await stream.write(Buffer.from(String(bytes)));
}

/** One machine: its key, what it may send in a second, and how it dials and accepts. */
function makeMachine({ credentials, bytesPerSec }) {
  const identity = linkIdentityOf(createPrivateKey(credentials.keyPem));
  const nodeId = nodeIdOfPublicKey(identity.publicKey);
  const clock = systemClock();
  const links = new Map();
  const burst = (bytesPerSec * BURST_MS) / 1000;
  const bucket = new TokenBucket(
    { perSec: bytesPerSec || 1, burst: burst || 1 },
    clock.monotonicMs(),
  );
  const own = { identity, handlers: { onRequest: ({ body }) => body, onStream: countStream } };
  const over = { ...own, credentials: () => credentials };
  const dialer = {
    dialOver: (stream, options) => linkOverStream(stream, "dialer", { ...over, ...options }),
    acceptOver: (stream) => linkOverStream(stream, "listener", over),
  };
  const relay = new RelayService({
    self: nodeId,
    policy: RELAY_POLICY_DEFAULT,
    dialer,
    directTo: async (next) => links.get(next),
    adopt() {},
    clock,
    log: silentLogger,
  });
  const wire = {
    ...own,
    handlers: {
      ...own.handlers,
      onStream: (stream) =>
        stream.method === relay.method ? relay.onStream(stream) : countStream(stream),
    },
    // The line: all that this machine sends to the network, whichever link it takes.
    ...(bytesPerSec > 0 ? { sendBuckets: [bucket] } : {}),
  };
  const transport = tlsTransport({ credentials: () => credentials });
  return {
    nodeId,
    dialer,
    async listen() {
      const listener = await listenLinks(transport, { host: LOOPBACK, port: 0 }, wire, () => {});
      return listener.address.port;
    },
    async dial(port) {
      const link = await dialLink(transport, { host: LOOPBACK, port }, wire);
      links.set(link.peer.nodeId, link);
      return link;
    },
  };
}

export async function makeTarget(context) {
  const machine = makeMachine(context);
  return { address: { port: await machine.listen(), nodeId: machine.nodeId } };
}

export async function makeHub({ target, ...context }) {
  const machine = makeMachine(context);
  await machine.dial(target.port);
  return { address: { port: await machine.listen(), nodeId: machine.nodeId } };
}

export async function makeOrigin({ hub, target, ...context }) {
  const machine = makeMachine(context);
  const { nodeId: self, dialer } = machine;
  const [direct, toHub] = [await machine.dial(target.port), await machine.dial(hub.port)];
  const path = [hub.nodeId, target.nodeId];
  const links = { direct, relayed: await dialThroughRelays({ self, link: toHub, path, dialer }) };
  return {
    /** Megabytes (10^6) a second, from the first byte to the answer that all have come. */
    async bulk(way, pieces) {
      const stream = await links[way].openStream("bulk", NONE);
      const start = ticks();
      for (let count = 0; count < pieces; count++) await stream.write(PIECE);
      stream.end();
      let told = "";
      for await (const bytes of stream.readable) told += Buffer.from(bytes).toString();
      const seconds = secondsSince(start);
      if (Number(told) !== pieces * PIECE.length) throw new Error(`only ${told} bytes came`);
      return (pieces * PIECE.length) / 1e6 / seconds;
    },
    /** Milliseconds. */
    async roundTrips(way, count) {
      const samples = [];
      for (let done = 0; done < count; done++) {
        const start = ticks();
        await links[way].request("echo", NONE);
        samples.push(secondsSince(start) * 1000);
      }
      return samples;
    },
  };
}

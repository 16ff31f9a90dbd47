/** The server, the readers, and the one that never reads, of the case `slow-reader`. */
import {
  QWormholeClient,
  QWormholeServer,
  tlsTransport,
} from "../../packages/qwormhole/dist/index.js";

const MESSAGE_BYTES = 1024;
/** How often the server tries again to send to the one that does not read. */
const RETRY_MS = 5;
const TRIES_AT_ONCE = 64;
/** For the one that never reads: it would take the other side for dead. */
const NEVER_MS = 3_600_000;
const sleep = (delayMs) => new Promise((resolve) => setTimeout(resolve, delayMs));

export async function makeSender({ credentials }) {
  const server = new QWormholeServer({ host: "127.0.0.1", port: 0, tls: credentials });
  const payload = Buffer.alloc(MESSAGE_BYTES, 2);
  const stuck = { client: undefined, taken: 0, refused: 0, gone: false };
  server.on("connection", async (client) => {
    if (client.handshake.tags.reads === false) {
      Object.assign(stuck, { client, taken: 0, refused: 0, gone: false });
      await sendRegardless(client);
      return;
    }
    while (client.isOpen) if (!client.send(payload)) await client.drained();
  });
  server.on("clientClosed", ({ client }) => {
    if (client === stuck.client) stuck.gone = true;
  });

  async function sendRegardless(client) {
    while (client.isOpen) {
      try {
        for (let tried = 0; tried < TRIES_AT_ONCE; tried++, stuck.taken++) client.send(payload);
      } catch (error) {
        if (error.code !== "QW_QUEUE_FULL") return;
        stuck.refused++;
      }
      await sleep(stuck.refused === 0 ? 0 : RETRY_MS);
    }
  }

  const { port } = await server.listen();
  return {
    address: port,
    async untilFull() {
      while (stuck.refused === 0) await sleep(RETRY_MS);
    },
    async untilGone() {
      while (!stuck.gone) await sleep(RETRY_MS);
    },
    stuck() {
      const { queuedBytes } = stuck.client.metrics;
      return {
        isOpen: stuck.client.isOpen,
        taken: stuck.taken,
        refused: stuck.refused,
        queuedBytes,
      };
    },
  };
}

export async function makeReaders({ credentials, address, count }) {
  let received = 0;
  for (let made = 0; made < count; made++) {
    const client = new QWormholeClient({ host: "127.0.0.1", port: address, tls: credentials });
    client.on("message", () => received++);
    await client.connect();
  }
  return {
    /** Messages per second of all, over the window. */
    async rate(windowMs) {
      const before = received;
      const start = performance.now();
      await sleep(windowMs);
      return ((received - before) / (performance.now() - start)) * 1000;
    },
  };
}

export async function makeStuckReader({ credentials, address }) {
  let channel;
  const inner = tlsTransport({ credentials: () => credentials });
  const transport = {
    listen: inner.listen,
    async dial(...details) {
      channel = await inner.dial(...details);
      return channel;
    },
  };
  const client = new QWormholeClient({
    host: "127.0.0.1",
    port: address,
    tls: credentials,
    transport,
    handshakeTags: { reads: false },
    deadAfterMs: NEVER_MS,
    reconnect: { enabled: false },
  });
  await client.connect();
  channel.pause();
  return { close: () => channel.destroy() };
}

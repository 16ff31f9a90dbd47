/** QWormhole by its lower API, `dialLink` and `listenLinks`, over mutual TLS 1.3. */
import { createPrivateKey } from "node:crypto";
import {
  dialLink,
  linkIdentityOf,
  listenLinks,
  tlsTransport,
} from "../../packages/qwormhole/dist/index.js";
import { Doorbell, oneWayOver, requestsOver, secondsSince, Tally, ticks } from "./measure.mjs";

const DONE = Buffer.from([1]);

const optionsOf = (credentials, handlers) => ({
  identity: linkIdentityOf(createPrivateKey(credentials.keyPem)),
  handlers,
});

export async function makeListener({ credentials }) {
  let link;
  const tally = new Tally();
  const handlers = {
    onRequest: async ({ body }) => body,
    onMessage(data) {
      if (tally.take(data)) link.send(DONE);
    },
    async onStream(stream) {
      let bytes = 0;
      for await (const piece of stream.readable) bytes += piece.length;
      await stream.write(Buffer.from(String(bytes)));
    },
  };
  const listener = await listenLinks(
    tlsTransport({ credentials: () => credentials }),
    { host: "127.0.0.1", port: 0 },
    optionsOf(credentials, handlers),
    (opened) => {
      link = opened;
    },
  );
  return { address: listener.address.port };
}

export async function makeDialler({ credentials, address }) {
  const finished = new Doorbell();
  const link = await dialLink(
    tlsTransport({ credentials: () => credentials }),
    { host: "127.0.0.1", port: address },
    optionsOf(credentials, { onMessage: () => finished.ring() }),
  );
  return {
    ...oneWayOver({
      send: (bytes) => link.send(bytes),
      writable: () => link.drained(),
      done: () => finished.next(),
    }),
    ...requestsOver({ request: (bytes) => link.request("echo", bytes) }),
    async bulk(pieceBytes, count) {
      const piece = Buffer.alloc(pieceBytes, 7);
      const start = ticks();
      const stream = await link.openStream("sink", Buffer.alloc(0));
      for (let sent = 0; sent < count; sent++) await stream.write(piece);
      stream.end();
      let answer = "";
      for await (const bytes of stream.readable) answer += Buffer.from(bytes).toString();
      if (Number(answer) !== pieceBytes * count) throw new Error(`${answer} bytes arrived`);
      return count / secondsSince(start);
    },
  };
}

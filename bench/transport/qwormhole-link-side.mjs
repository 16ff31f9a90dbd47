/** QWormhole by its lower API, `dialLink` and `listenLinks`, over mutual TLS 1.3. */
import { createPrivateKey } from "node:crypto";
import {
  dialLink,
  linkIdentityOf,
  listenLinks,
  tlsTransport,
} from "../../packages/qwormhole/dist/index.js";
import { bulkOver, countStream, Doorbell, oneWayOver, requestsOver, Tally } from "./measure.mjs";

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
    onStream: countStream,
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
    ...bulkOver({ openStream: (method, header) => link.openStream(method, header) }),
  };
}

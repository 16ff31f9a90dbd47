/** QWormhole by its usual API, `QWormholeServer` and `QWormholeClient`, over mutual TLS 1.3. */
import { QWormholeClient, QWormholeServer } from "../../packages/qwormhole/dist/index.js";
import { bulkOver, countStream, Doorbell, oneWayOver, requestsOver, Tally } from "./measure.mjs";

const DONE = Buffer.from([1]);

export async function makeListener({ credentials }) {
  const server = new QWormholeServer({ host: "127.0.0.1", port: 0, tls: credentials });
  const tally = new Tally();
  server.on("message", ({ client, data }) => {
    if (tally.take(data)) client.send(DONE);
  });
  server.handle("echo", (bytes) => bytes);
  server.handleStream("sink", countStream);
  const { port } = await server.listen();
  return { address: port };
}

export async function makeDialler({ credentials, address }) {
  const client = new QWormholeClient({ host: "127.0.0.1", port: address, tls: credentials });
  const finished = new Doorbell();
  client.on("message", () => finished.ring());
  await client.connect();
  return {
    ...oneWayOver({
      send: (bytes) => client.send(bytes),
      writable: () => client.drained(),
      done: () => finished.next(),
    }),
    ...requestsOver({ request: (bytes) => client.request("echo", bytes) }),
    ...bulkOver({ openStream: (method, header) => client.openStream(method, header) }),
  };
}

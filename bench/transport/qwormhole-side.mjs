/** QWormhole by its usual API, `QWormholeServer` and `QWormholeClient`, over mutual TLS 1.3. */
import { QWormholeClient, QWormholeServer } from "../../packages/qwormhole/dist/index.js";
import { Doorbell, oneWayOver, requestsOver, secondsSince, Tally, ticks } from "./measure.mjs";

const DONE = Buffer.from([1]);

export async function makeListener({ credentials }) {
  const server = new QWormholeServer({ host: "127.0.0.1", port: 0, tls: credentials });
  const tally = new Tally();
  server.on("message", ({ client, data }) => {
    if (tally.take(data)) client.send(DONE);
  });
  server.handle("echo", (bytes) => bytes);
  server.handleStream("sink", async (stream) => {
    let bytes = 0;
    for await (const piece of stream.readable) bytes += piece.length;
    await stream.write(Buffer.from(String(bytes)));
  });
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
    async bulk(pieceBytes, count) {
      const piece = Buffer.alloc(pieceBytes, 7);
      const start = ticks();
      const stream = await client.openStream("sink", Buffer.alloc(0));
      for (let sent = 0; sent < count; sent++) await stream.write(piece);
      stream.end();
      let answer = "";
      for await (const bytes of stream.readable) answer += Buffer.from(bytes).toString();
      if (Number(answer) !== pieceBytes * count) throw new Error(`${answer} bytes arrived`);
      return count / secondsSince(start);
    },
  };
}

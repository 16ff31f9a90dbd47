/**
 * What the bench does over a link. Each case answers one number, or the median and the 99th
 * percentile.
 */
import { createPrivateKey } from "node:crypto";
import {
  dialLink,
  linkIdentityOf,
  listenLinks,
  tlsTransport,
} from "../../packages/qwormhole/dist/index.js";
import { percentiles, secondsSince, ticks } from "./measure.mjs";

const optionsOf = (credentials, handlers) => ({
  identity: linkIdentityOf(createPrivateKey(credentials.keyPem)),
  handlers,
});

/** The other process: counts messages and answers when the wanted number is there. */
export async function serveLink(credentials) {
  let link;
  let count = 0;
  let wanted = 0;
  const handlers = {
    onRequest: async ({ method, body }) => {
      if (method === "expect") {
        wanted = Number(Buffer.from(body).toString());
        count = 0;
      }
      return body;
    },
    onMessage() {
      if (++count === wanted) link.send(Buffer.from("done"));
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
  return listener.address.port;
}

export async function openLinkSide(credentials, port) {
  let gotDone = () => {};
  const link = await dialLink(
    tlsTransport({ credentials: () => credentials }),
    { host: "127.0.0.1", port },
    optionsOf(credentials, { onMessage: () => gotDone() }),
  );
  return {
    async messages(bytes, count) {
      const payload = Buffer.alloc(bytes, 7);
      await link.request("expect", Buffer.from(String(count)));
      const done = new Promise((resolve) => {
        gotDone = resolve;
      });
      const start = ticks();
      for (let sent = 0; sent < count; sent++) if (!link.send(payload)) await link.drained();
      await done;
      return count / secondsSince(start);
    },

    async bulk(pieceBytes, count) {
      const piece = Buffer.alloc(pieceBytes, 7);
      const start = ticks();
      const stream = await link.openStream("sink", Buffer.alloc(0));
      for (let sent = 0; sent < count; sent++) await stream.write(piece);
      stream.end();
      let answer = "";
      for await (const bytes of stream.readable) answer += Buffer.from(bytes).toString();
      if (Number(answer) !== pieceBytes * count) throw new Error(`${answer} bytes arrived`);
      return (pieceBytes * count) / secondsSince(start) / 1e6;
    },

    async roundTrips(bytes, count) {
      const payload = Buffer.alloc(bytes, 7);
      const samples = new Float64Array(count);
      for (let made = 0; made < count; made++) {
        const start = ticks();
        await link.request("echo", payload);
        samples[made] = secondsSince(start) * 1e6;
      }
      return percentiles(samples);
    },

    async pipelined(bytes, count) {
      const payload = Buffer.alloc(bytes, 7);
      let left = count;
      const caller = async () => {
        while (left-- > 0) await link.request("echo", payload);
      };
      const start = ticks();
      await Promise.all(Array.from({ length: 64 }, caller));
      return count / secondsSince(start);
    },
    close: () => link.close(),
  };
}

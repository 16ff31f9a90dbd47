/** `zeromq`: a DEALER to a ROUTER. Each `send` is awaited, which is its back-pressure. */
import { Dealer, Router } from "zeromq";
import {
  echoMessage,
  expectMessage,
  isEcho,
  oneWayMessage,
  PIPELINE_DEPTH,
  percentiles,
  secondsSince,
  Tally,
  ticks,
} from "../measure.mjs";

export async function makeListener() {
  const router = new Router();
  await router.bind("tcp://127.0.0.1:*");
  serve(router);
  return { address: router.lastEndpoint };
}

async function serve(router) {
  const tally = new Tally();
  for await (const [from, message] of router) {
    if (isEcho(message)) await router.send([from, message]);
    else if (tally.take(message)) await router.send([from, "done"]);
  }
}

export async function makeDialler({ address }) {
  const dealer = new Dealer();
  dealer.connect(address);
  return {
    async messages(bytes, count) {
      const payload = oneWayMessage(bytes);
      await dealer.send(expectMessage(count));
      const start = ticks();
      for (let sent = 0; sent < count; sent++) await dealer.send(payload);
      await dealer.receive();
      return count / secondsSince(start);
    },

    async roundTrips(bytes, count) {
      const payload = echoMessage(bytes);
      const samples = new Float64Array(count);
      for (let made = 0; made < count; made++) {
        const start = ticks();
        await dealer.send(payload);
        await dealer.receive();
        samples[made] = secondsSince(start) * 1e6;
      }
      return percentiles(samples);
    },

    async pipelined(bytes, count) {
      const payload = echoMessage(bytes);
      let toSend = count;
      const start = ticks();
      for (let made = 0; made < PIPELINE_DEPTH; made++)
        if (toSend-- > 0) await dealer.send(payload);
      for (let got = 0; got < count; got++) {
        await dealer.receive();
        if (toSend-- > 0) await dealer.send(payload);
      }
      return count / secondsSince(start);
    },
  };
}

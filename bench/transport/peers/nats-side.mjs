/**
 * `@nats-io/transport-node` through a broker, nats-server. Subscriptions call back, which is its
 * faster way; a `flush` is always under way, and the one before it must be over before more is
 * published, so that the broker is never idle and never has to drop anything.
 */
import { connect } from "@nats-io/transport-node";
import { Doorbell, oneWayOver, requestsOver, Tally } from "../measure.mjs";

const FLUSH_BYTES = 1 << 20;

export async function makeListener({ broker }) {
  const connection = await connect({ servers: broker, noAsyncTraces: true });
  const tally = new Tally();
  connection.subscribe("bench.one-way", {
    callback(_error, message) {
      if (tally.take(message.data)) connection.publish("bench.done");
    },
  });
  connection.subscribe("bench.echo", {
    callback: (_error, message) => message.respond(message.data),
  });
  await connection.flush();
  return { address: broker };
}

export async function makeDialler({ address }) {
  const connection = await connect({ servers: address, noAsyncTraces: true });
  const finished = new Doorbell();
  connection.subscribe("bench.done", { callback: () => finished.ring() });
  await connection.flush();
  let unflushedBytes = 0;
  let flushing = Promise.resolve();
  return {
    ...oneWayOver({
      send(bytes) {
        connection.publish("bench.one-way", bytes);
        unflushedBytes += bytes.length;
        return unflushedBytes < FLUSH_BYTES;
      },
      async writable() {
        unflushedBytes = 0;
        const before = flushing;
        flushing = connection.flush();
        await before;
      },
      done: () => finished.next(),
    }),
    ...requestsOver({ request: (bytes) => connection.request("bench.echo", bytes) }),
  };
}

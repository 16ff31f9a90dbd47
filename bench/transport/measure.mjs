/** What both ends of every contender share: time, statistics, and the messages of the bench. */

export const ticks = () => process.hrtime.bigint();
export const secondsSince = (start) => Number(process.hrtime.bigint() - start) / 1e9;

/** The lower one of the two in the middle, so that it is a value that was measured. */
export const median = (numbers) => [...numbers].sort((a, b) => a - b)[(numbers.length - 1) >> 1];

/** Median and 99th percentile. */
export function percentiles(samples) {
  const sorted = Float64Array.from(samples).sort();
  const at = (share) => sorted[Math.floor((sorted.length - 1) * share)];
  return { p50: at(0.5), p99: at(0.99) };
}

/** Slope of the least-squares line through values at 0, 1, 2, ... */
export function slopeOf(values) {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  let product = 0;
  let square = 0;
  for (const [at, value] of values.entries()) {
    product += (at - middle) * (value - mean);
    square += (at - middle) ** 2;
  }
  return product / square;
}

/** The first byte of a message says what the listener does with it. */
const EXPECT = 1;
const ONE_WAY = 2;
const ECHO = 3;

export const oneWayMessage = (bytes) => Buffer.alloc(bytes, ONE_WAY);
export const echoMessage = (bytes) => Buffer.alloc(bytes, ECHO);
export const isEcho = (bytes) => bytes[0] === ECHO;

export function expectMessage(count) {
  const message = Buffer.alloc(9, EXPECT);
  message.writeBigUInt64BE(BigInt(count), 1);
  return message;
}

/** The listener's count of one-way messages. */
export class Tally {
  #count = 0;
  #wanted = 0;

  /** True when the last message has come that was announced; the dialler waits to be told so. */
  take(bytes) {
    if (bytes[0] !== EXPECT) return ++this.#count === this.#wanted;
    this.#wanted = Number(Buffer.from(bytes).readBigUInt64BE(1));
    this.#count = 0;
    return false;
  }
}

/**
 * `send` gives one message to the contender and returns false when it asks to wait for `writable`;
 * `done` resolves when the listener says that it has counted the last message.
 */
export function oneWayOver({ send, writable, done }) {
  return {
    async messages(bytes, count) {
      const payload = oneWayMessage(bytes);
      const finished = done();
      send(expectMessage(count));
      const start = ticks();
      for (let sent = 0; sent < count; sent++) if (!send(payload)) await writable();
      await finished;
      return count / secondsSince(start);
    },
  };
}

/** For contenders that only know messages: the listener sends a message of `ECHO` back. */
export function echoesOver({ send, onEcho }) {
  return {
    async roundTrips(bytes, count) {
      const payload = echoMessage(bytes);
      const samples = new Float64Array(count);
      let answered;
      onEcho(() => answered());
      for (let made = 0; made < count; made++) {
        const answer = new Promise((resolve) => {
          answered = resolve;
        });
        const start = ticks();
        send(payload);
        await answer;
        samples[made] = secondsSince(start) * 1e6;
      }
      return percentiles(samples);
    },

    async pipelined(bytes, count) {
      const payload = echoMessage(bytes);
      let toSend = count;
      let toGet = count;
      const start = ticks();
      await new Promise((resolve) => {
        onEcho(() => {
          if (toSend-- > 0) send(payload);
          if (--toGet === 0) resolve();
        });
        for (let made = 0; made < PIPELINE_DEPTH; made++) if (toSend-- > 0) send(payload);
      });
      return count / secondsSince(start);
    },
  };
}

export const PIPELINE_DEPTH = 64;

/** For contenders that know requests. */
export function requestsOver({ request }) {
  return {
    async roundTrips(bytes, count) {
      const payload = echoMessage(bytes);
      const samples = new Float64Array(count);
      for (let made = 0; made < count; made++) {
        const start = ticks();
        await request(payload);
        samples[made] = secondsSince(start) * 1e6;
      }
      return percentiles(samples);
    },

    async pipelined(bytes, count) {
      const payload = echoMessage(bytes);
      let left = count;
      const caller = async () => {
        while (left-- > 0) await request(payload);
      };
      const start = ticks();
      await Promise.all(Array.from({ length: PIPELINE_DEPTH }, caller));
      return count / secondsSince(start);
    },
  };
}

/** For contenders that know streams: sends pieces until the other side has told all bytes. */
export function bulkOver({ openStream }) {
  return {
    async bulk(pieceBytes, count) {
      const piece = Buffer.alloc(pieceBytes, 7);
      const start = ticks();
      const stream = await openStream("sink", Buffer.alloc(0));
      for (let sent = 0; sent < count; sent++) await stream.write(piece);
      stream.end();
      let answer = "";
      for await (const bytes of stream.readable) answer += Buffer.from(bytes).toString();
      if (Number(answer) !== pieceBytes * count) throw new Error(`${answer} bytes arrived`);
      return count / secondsSince(start);
    },
  };
}

/** The other end of `bulkOver`. */
export async function countStream(stream) {
  let bytes = 0;
  for await (const piece of stream.readable) bytes += piece.length;
  await stream.write(Buffer.from(String(bytes)));
}

/** Calls a waiting function once; the next call needs a new one. */
export class Doorbell {
  #ring = () => {};

  next() {
    return new Promise((resolve) => {
      this.#ring = resolve;
    });
  }

  ring() {
    this.#ring();
  }
}

export const event = (emitter, name) => new Promise((resolve) => emitter.once(name, resolve));

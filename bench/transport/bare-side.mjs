/**
 * The yardstick: the least that one can do over a mutual TLS 1.3 socket. A length before each
 * message, what belongs to one tick written together, a decoder that copies only across chunks; no
 * identity, no numbers, no deadlines, no credit.
 */
import { connect, createServer } from "node:tls";
import { percentiles, secondsSince, ticks } from "./measure.mjs";

const BUFFER_BYTES = 64 * 1024;
const HIGH_WATER_BYTES = 256 * 1024;

class Coalescer {
  #socket;
  #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #start = 0;
  #at = 0;
  #scheduled = false;

  constructor(socket) {
    this.#socket = socket;
  }

  /** False: wait for the socket's drain. */
  send(payload) {
    if (payload.length + 4 > BUFFER_BYTES - this.#at) {
      this.flush();
      this.#buffer = Buffer.allocUnsafeSlow(Math.max(BUFFER_BYTES, payload.length + 4));
      this.#start = 0;
      this.#at = 0;
    }
    this.#buffer.writeUInt32BE(payload.length, this.#at);
    this.#buffer.set(payload, this.#at + 4);
    this.#at += 4 + payload.length;
    if (!this.#scheduled) {
      this.#scheduled = true;
      queueMicrotask(() => this.flush());
    }
    return this.#socket.writableLength < HIGH_WATER_BYTES;
  }

  flush() {
    this.#scheduled = false;
    if (this.#at > this.#start) this.#socket.write(this.#buffer.subarray(this.#start, this.#at));
    this.#start = this.#at;
  }
}

function frameDecoder(onFrame) {
  let rest;
  return (chunk) => {
    const bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
    let offset = 0;
    while (bytes.length - offset >= 4) {
      const end = offset + 4 + bytes.readUInt32BE(offset);
      if (end > bytes.length) break;
      onFrame(bytes.subarray(offset + 4, end));
      offset = end;
    }
    rest = offset < bytes.length ? bytes.subarray(offset) : undefined;
  };
}

/**
 * The first 9 bytes say what to do: `d` count messages, `e` echo them, `b` count bytes; and how
 * many.
 */
export async function serveBare({ keyPem, certificatePem, caPem }) {
  const server = createServer(
    { key: keyPem, cert: certificatePem, ca: caPem, requestCert: true, minVersion: "TLSv1.3" },
    (socket) => {
      socket.setNoDelay(true);
      socket.on("error", () => {});
      let onBytes;
      socket.on("data", (chunk) => {
        if (onBytes !== undefined) return onBytes(chunk);
        onBytes = serverMode(socket, String.fromCharCode(chunk[0]), chunk.readBigUInt64BE(1));
        if (chunk.length > 9) onBytes(chunk.subarray(9));
      });
    },
  );
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server.address().port;
}

function serverMode(socket, mode, wanted) {
  let left = Number(wanted);
  if (mode === "b") {
    return (chunk) => {
      left -= chunk.length;
      if (left === 0) socket.write("done");
    };
  }
  const out = new Coalescer(socket);
  return frameDecoder((frame) => {
    if (mode === "e") out.send(frame);
    else if (--left === 0) socket.write("done");
  });
}

async function openSocket({ keyPem, certificatePem, caPem }, port, mode, wanted) {
  const socket = connect({
    host: "127.0.0.1",
    port,
    key: keyPem,
    cert: certificatePem,
    ca: caPem,
    servername: "",
    minVersion: "TLSv1.3",
    checkServerIdentity: () => undefined,
  });
  socket.setNoDelay(true);
  await event(socket, "secureConnect");
  const head = Buffer.alloc(9);
  head.write(mode);
  head.writeBigUInt64BE(BigInt(wanted), 1);
  socket.write(head);
  return socket;
}

export async function openBareSide(credentials, port) {
  const open = (mode, wanted) => openSocket(credentials, port, mode, wanted);
  return {
    async messages(bytes, count) {
      const socket = await open("d", count);
      const out = new Coalescer(socket);
      const payload = Buffer.alloc(bytes, 7);
      const start = ticks();
      for (let sent = 0; sent < count; sent++) {
        if (!out.send(payload)) await event(socket, "drain");
      }
      await event(socket, "data");
      const rate = count / secondsSince(start);
      socket.destroy();
      return rate;
    },

    async bulk(pieceBytes, count) {
      const socket = await open("b", pieceBytes * count);
      const piece = Buffer.alloc(pieceBytes, 7);
      const start = ticks();
      for (let sent = 0; sent < count; sent++) {
        if (!socket.write(piece)) await event(socket, "drain");
      }
      await event(socket, "data");
      const rate = (pieceBytes * count) / secondsSince(start) / 1e6;
      socket.destroy();
      return rate;
    },

    async roundTrips(bytes, count) {
      const socket = await open("e", 0);
      const out = new Coalescer(socket);
      let answered;
      socket.on(
        "data",
        frameDecoder(() => answered()),
      );
      const payload = Buffer.alloc(bytes, 7);
      const samples = new Float64Array(count);
      for (let made = 0; made < count; made++) {
        const start = ticks();
        out.send(payload);
        await new Promise((resolve) => {
          answered = resolve;
        });
        samples[made] = secondsSince(start) * 1e6;
      }
      socket.destroy();
      return percentiles(samples);
    },

    async pipelined(bytes, count) {
      const socket = await open("e", 0);
      const out = new Coalescer(socket);
      const payload = Buffer.alloc(bytes, 7);
      let toSend = count - 64;
      let toGet = count;
      const start = ticks();
      await new Promise((resolve) => {
        const onFrame = () => {
          if (toSend-- > 0) out.send(payload);
          if (--toGet === 0) resolve();
        };
        socket.on("data", frameDecoder(onFrame));
        for (let made = 0; made < 64; made++) out.send(payload);
      });
      const rate = count / secondsSince(start);
      socket.destroy();
      return rate;
    },
    close: async () => {},
  };
}

const event = (emitter, name) => new Promise((resolve) => emitter.once(name, resolve));

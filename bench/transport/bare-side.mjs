/**
 * The yardstick: the least that one can do over a socket of Node, plain or with mutual TLS 1.3. A
 * length before each message, what belongs to one tick written together, a decoder that copies only
 * across chunks; no identity, no numbers, no deadlines, no credit, no priorities. Its bulk stream
 * is the socket itself.
 */
import * as net from "node:net";
import * as tls from "node:tls";
import {
  Doorbell,
  echoesOver,
  event,
  isEcho,
  oneWayOver,
  secondsSince,
  Tally,
  ticks,
} from "./measure.mjs";

const BUFFER_BYTES = 64 * 1024;
const HIGH_WATER_BYTES = 256 * 1024;
const DONE = Buffer.from([1]);
/** The first byte of a connection says what it is for. */
const FOR_MESSAGES = 0x6d;
const FOR_BULK = 0x62;

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

const certificates = ({ keyPem, certificatePem, caPem }) => ({
  key: keyPem,
  cert: certificatePem,
  ca: caPem,
  minVersion: "TLSv1.3",
});

export async function makeListener({ secure, credentials }) {
  const accept = (socket) => {
    socket.setNoDelay(true);
    socket.on("error", () => {});
    let onBytes;
    socket.on("data", (chunk) => {
      if (onBytes !== undefined) return onBytes(chunk);
      onBytes = chunk[0] === FOR_BULK ? takeBulk(socket) : takeMessages(socket);
      if (chunk.length > 1) onBytes(chunk.subarray(1));
    });
  };
  const server = secure
    ? tls.createServer({ ...certificates(credentials), requestCert: true }, accept)
    : net.createServer(accept);
  server.listen(0, "127.0.0.1");
  await event(server, "listening");
  return { address: server.address().port };
}

function takeMessages(socket) {
  const out = new Coalescer(socket);
  const tally = new Tally();
  return frameDecoder((frame) => {
    if (isEcho(frame)) out.send(frame);
    else if (tally.take(frame)) out.send(DONE);
  });
}

/** Eight bytes say how many follow; when they are there, one byte goes back. */
function takeBulk(socket) {
  let left = 0;
  return (chunk) => {
    let length = chunk.length;
    if (left === 0) {
      left = Number(chunk.readBigUInt64BE(0));
      length -= 8;
    }
    left -= length;
    if (left === 0) socket.write(DONE);
  };
}

async function openSocket({ secure, credentials, address }, purpose) {
  const socket = secure
    ? tls.connect({
        ...certificates(credentials),
        host: "127.0.0.1",
        port: address,
        servername: "",
        checkServerIdentity: () => undefined,
      })
    : net.connect(address, "127.0.0.1");
  socket.setNoDelay(true);
  await event(socket, secure ? "secureConnect" : "connect");
  socket.write(Buffer.from([purpose]));
  return socket;
}

export async function makeDialler(context) {
  const socket = await openSocket(context, FOR_MESSAGES);
  const out = new Coalescer(socket);
  const finished = new Doorbell();
  let onEcho;
  const onFrame = (frame) => (isEcho(frame) ? onEcho() : finished.ring());
  socket.on("data", frameDecoder(onFrame));
  const send = (bytes) => out.send(bytes);
  let bulkSocket;
  return {
    ...oneWayOver({ send, writable: () => event(socket, "drain"), done: () => finished.next() }),
    ...echoesOver({
      send,
      onEcho: (handler) => {
        onEcho = handler;
      },
    }),
    async bulk(pieceBytes, count) {
      bulkSocket ??= await openSocket(context, FOR_BULK);
      const piece = Buffer.alloc(pieceBytes, 7);
      const head = Buffer.alloc(8);
      head.writeBigUInt64BE(BigInt(pieceBytes * count));
      const done = event(bulkSocket, "data");
      const start = ticks();
      bulkSocket.write(head);
      for (let sent = 0; sent < count; sent++) {
        if (!bulkSocket.write(piece)) await event(bulkSocket, "drain");
      }
      await done;
      return count / secondsSince(start);
    },
  };
}

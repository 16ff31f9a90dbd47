/**
 * `socket.io` over WebSocket only. Its `emit` knows no back-pressure; the buffer of the engine
 * below it does, and is respected here. Requests are emits with an acknowledgement.
 */
import { createServer } from "node:http";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import { Doorbell, event, oneWayOver, requestsOver, Tally } from "../measure.mjs";

const PACKETS_MAX = 1024;

export async function makeListener() {
  const server = new Server({ transports: ["websocket"], serveClient: false });
  server.on("connection", (socket) => {
    const tally = new Tally();
    socket.on("one-way", (data) => {
      if (tally.take(data)) socket.emit("done");
    });
    socket.on("echo", (data, answer) => answer(data));
  });
  const http = createServer();
  server.attach(http);
  http.listen(0, "127.0.0.1");
  await event(http, "listening");
  return { address: `http://127.0.0.1:${http.address().port}` };
}

export async function makeDialler({ address }) {
  const socket = io(address, { transports: ["websocket"], reconnection: false });
  await event(socket, "connect");
  const finished = new Doorbell();
  socket.on("done", () => finished.ring());
  const { engine } = socket.io;
  return {
    ...oneWayOver({
      send(bytes) {
        socket.emit("one-way", bytes);
        return engine.writeBuffer.length < PACKETS_MAX;
      },
      writable: () => event(engine, "drain"),
      done: () => finished.next(),
    }),
    ...requestsOver({
      request: (bytes) => new Promise((resolve) => socket.emit("echo", bytes, resolve)),
    }),
  };
}

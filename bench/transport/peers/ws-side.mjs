/** `ws` without compression; as its manual says, `bufferedAmount` tells when to wait. */
import { WebSocket, WebSocketServer } from "ws";
import { Doorbell, echoesOver, event, isEcho, oneWayOver, Tally } from "../measure.mjs";

const HIGH_WATER_BYTES = 1 << 20;
const DONE = Buffer.from([1]);

export async function makeListener() {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
  server.on("connection", (socket) => {
    const tally = new Tally();
    socket.on("message", (data) => {
      if (isEcho(data)) socket.send(data);
      else if (tally.take(data)) socket.send(DONE);
    });
  });
  await event(server, "listening");
  return { address: `ws://127.0.0.1:${server.address().port}` };
}

export async function makeDialler({ address }) {
  const socket = new WebSocket(address, { perMessageDeflate: false });
  await event(socket, "open");
  const finished = new Doorbell();
  const room = new Doorbell();
  let onEcho;
  socket.on("message", (data) => (isEcho(data) ? onEcho() : finished.ring()));
  return {
    ...oneWayOver({
      send(bytes) {
        if (socket.bufferedAmount < HIGH_WATER_BYTES) {
          socket.send(bytes);
          return true;
        }
        socket.send(bytes, () => room.ring());
        return false;
      },
      writable: () => room.next(),
      done: () => finished.next(),
    }),
    ...echoesOver({
      send: (bytes) => socket.send(bytes),
      onEcho: (handler) => {
        onEcho = handler;
      },
    }),
  };
}

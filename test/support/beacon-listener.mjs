/**
 * Listens to the beacons of a LAN as anybody there can, and notes when each address sent one. Times
 * are those of the system's monotonic clock.
 */
import { createSocket } from "node:dgram";
import { answerLines } from "./json-answers.mjs";

const heard = {};
const words = [];
let wordsSeen = 0;
const nowMs = () => Number(process.hrtime.bigint()) / 1e6;

answerLines({
  async start({ group, port, address }) {
    const socket = createSocket({ type: "udp4", reuseAddr: true });
    socket.on("message", (datagram, from) => {
      heard[from.address] ??= [];
      heard[from.address].push(nowMs());
      if (words.some((word) => datagram.includes(word))) wordsSeen++;
    });
    await new Promise((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(port, resolve);
    });
    socket.addMembership(group, address);
  },
  /** Counts datagrams that hold this text, or these bytes in hexadecimal. */
  watchFor({ word }) {
    words.push(Buffer.from(word), Buffer.from(word, "hex"));
  },
  heard: () => ({ nowMs: nowMs(), heard, wordsSeen }),
});

/**
 * Passes datagrams on between whoever sends to `listenPort` and a target, both ways, and looks for
 * words in them: what someone would see who sits at the cable.
 */
import { createSocket } from "node:dgram";
import { answerLines } from "./json-answers.mjs";

const near = createSocket("udp4");
const far = createSocket("udp4");
const seen = { datagrams: 0, bytes: 0, withWord: 0 };
let word;
let sender;

function look(datagram) {
  seen.datagrams++;
  seen.bytes += datagram.length;
  if (word !== undefined && datagram.includes(word)) seen.withWord++;
}

answerLines({
  async start({ listenPort, targetHost, targetPort }) {
    near.on("message", (datagram, from) => {
      sender = from;
      look(datagram);
      far.send(datagram, targetPort, targetHost);
    });
    far.on("message", (datagram) => {
      look(datagram);
      if (sender !== undefined) near.send(datagram, sender.port, sender.address);
    });
    // A peer that is not there yet is answered with an error that concerns one datagram.
    for (const socket of [near, far]) socket.on("error", () => {});
    await new Promise((resolve) => near.bind(listenPort, "127.0.0.1", resolve));
  },
  watchFor(details) {
    word = details.word;
    Object.assign(seen, { datagrams: 0, bytes: 0, withWord: 0 });
  },
  seen: () => seen,
});

/** Opens transports inside a network namespace, as a test asks for it. */
import { chooseTransport } from "../../packages/qwormhole/dist/choose-transport.js";
import { answerLines } from "./json-answers.mjs";

const listeners = new Map();
const DIAL_TIMEOUT_MS = 3000;

function echo(channel) {
  channel.setHandlers({ onData: (bytes) => channel.write([bytes]), onDrain() {}, onClose() {} });
}

/** Sends the text; resolves with as many bytes of the answer, or with what came until the end. */
function roundTrip(channel, text) {
  return new Promise((resolve) => {
    const wanted = Buffer.byteLength(text);
    let got = Buffer.alloc(0);
    channel.setHandlers({
      onData(bytes) {
        got = Buffer.concat([got, bytes]);
        if (got.length < wanted) return;
        channel.destroy();
        resolve(got.toString());
      },
      onDrain() {},
      onClose: () => resolve(got.toString()),
    });
    channel.write([Buffer.from(text)]);
  });
}

answerLines({
  async listen({ name, choice, host, port = 0 }) {
    const refused = [];
    const onRefused = ({ code }, from) => refused.push({ code, from });
    const { transport } = chooseTransport({ ...choice, onRefused });
    const listener = await transport.listen({ host, port }, echo);
    listeners.set(name, { listener, refused });
    return listener.address;
  },
  refusedBy: ({ name }) => listeners.get(name).refused,
  async close({ name }) {
    await listeners.get(name).listener.close();
  },
  async dial({ choice, host, port, text = "hello" }) {
    const { transport } = chooseTransport(choice);
    const channel = await transport.dial({ host, port }, { timeoutMs: DIAL_TIMEOUT_MS });
    const { localAddress, remoteAddress } = channel;
    return { localAddress, remoteAddress, answer: await roundTrip(channel, text) };
  },
  /** One datagram outside any tunnel, to try the tap itself. */
  async datagram({ host, port, text }) {
    const { createSocket } = await import("node:dgram");
    const socket = createSocket("udp4");
    await new Promise((resolve) => socket.send(text, port, host, resolve));
    socket.close();
  },
});

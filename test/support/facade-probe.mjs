/** Clients and servers that a test steers, as the peers of programs under test. */
import { QWormholeClient, QWormholeServer } from "../../packages/qwormhole/dist/index.js";
import { answerLines } from "./json-answers.mjs";

const clients = new Map();
const servers = new Map();

answerLines({
  async connect({ name, options }) {
    const client = new QWormholeClient(options);
    const messages = [];
    client.on("message", (message) => messages.push(message));
    // Failed dials are told by `connect`, too.
    client.on("error", () => {});
    await client.connect();
    clients.set(name, { client, messages });
    return { server: client.handshake.tags };
  },
  messages: ({ name }) => clients.get(name).messages,
  async send({ name, value }) {
    clients.get(name).client.send(value);
    await clients.get(name).client.drained();
  },
  disconnect: ({ name }) => clients.get(name).client.disconnect(),
  async serve({ name, options }) {
    const server = new QWormholeServer(options);
    const peers = [];
    const messages = [];
    server.on("connection", ({ handshake, remoteAddress }) => {
      peers.push({ tags: handshake.tags, remoteAddress });
    });
    server.on("message", ({ data }) => messages.push(data));
    servers.set(name, { server, peers, messages });
    await server.listen();
  },
  peers: ({ name }) => servers.get(name).peers,
  received: ({ name }) => servers.get(name).messages,
  broadcast({ name, value }) {
    servers.get(name).server.broadcast(value);
  },
  stop: ({ name }) => servers.get(name).server.close(),
});

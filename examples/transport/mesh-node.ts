/** Full mesh: every node is a server for its peers and a client of each of them. */
import {
  type QWormholeClient,
  QWormholeRuntime,
  type QWormholeServer,
} from "@hearthmesh/qwormhole";
import { MESH_INTERFACE, MESH_RETRY_MS } from "./environment.js";

interface MeshConfig {
  nodeId: string;
  region: string;
  listenPort: number;
  peers: Array<{ host: string; port: number }>;
}

export class MeshNode {
  private rt: QWormholeRuntime;
  private server: QWormholeServer;
  private clients = new Map<string, QWormholeClient>();
  private peerInfo = new Map<string, { nodeId: string; region: string }>();

  constructor(private config: MeshConfig) {
    this.rt = new QWormholeRuntime({
      protocolVersion: "mesh-1.0",
      interfaceName: MESH_INTERFACE,
      handshakeTags: {
        nodeId: config.nodeId,
        region: config.region,
      },
      // A peer that is slow or away loses the oldest messages; it does not hold up the others.
      channels: { rpc: { whenFull: "drop-oldest" } },
    });

    this.server = this.rt.createServer({
      host: "0.0.0.0",
      port: config.listenPort,
    });

    this.setupServerHandlers();
  }

  private setupServerHandlers() {
    this.server.on("connection", (peer) => {
      const tags = peer.handshake?.tags as Record<string, string> | undefined;
      if (tags?.nodeId) {
        this.peerInfo.set(peer.id, {
          nodeId: tags.nodeId,
          region: tags.region,
        });
        console.log(`[${this.config.nodeId}] Peer joined: ${tags.nodeId}`);
      }
    });

    this.server.on("clientClosed", ({ client }) => {
      const info = this.peerInfo.get(client.id);
      if (info) {
        console.log(`[${this.config.nodeId}] Peer left: ${info.nodeId}`);
        this.peerInfo.delete(client.id);
      }
    });

    this.server.on("message", ({ client, data }) => {
      const info = this.peerInfo.get(client.id);
      console.log(`[${this.config.nodeId}] Message from ${info?.nodeId}:`, data);
    });
  }

  async start() {
    // Start server
    await this.server.listen();
    console.log(`[${this.config.nodeId}] Listening on port ${this.config.listenPort}`);

    // Connect to known peers, all at once: one that is away must not hold up the others
    await Promise.all(this.config.peers.map((peer) => this.connectTo(peer)));
  }

  private async connectTo(peer: { host: string; port: number }) {
    const client = this.rt.createClient({
      host: peer.host,
      port: peer.port,
      reconnect: {
        enabled: true,
        initialDelayMs: MESH_RETRY_MS,
        maxDelayMs: 30000,
        multiplier: 2,
        maxAttempts: 0, // Infinite
      },
    });

    client.on("connect", () => {
      console.log(`[${this.config.nodeId}] Connected to ${peer.host}:${peer.port}`);
    });

    // A peer that does not dial this node has only this connection for its messages
    client.on("message", (data) => {
      const sender = client.handshake?.tags?.nodeId;
      console.log(`[${this.config.nodeId}] Message from ${sender}:`, data);
    });

    // Before it is connected, so that `stop` ends its attempts too
    this.clients.set(`${peer.host}:${peer.port}`, client);
    await client.connect();
  }

  broadcast(message: unknown) {
    // Two nodes that dialled each other have two connections; the message takes one of them
    const reached = new Set<string>();
    for (const client of this.clients.values()) {
      client.send(message);
      if (client.handshake) reached.add(client.handshake.nodeId);
    }
    this.server.broadcast(message, { filter: (peer) => !reached.has(peer.handshake.nodeId) });
  }

  async stop() {
    for (const client of this.clients.values()) {
      await client.disconnect();
    }
    await this.server.close();
  }
}

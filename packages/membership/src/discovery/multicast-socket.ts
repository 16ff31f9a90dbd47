/** The little of a UDP socket that beacons need, and the real one. */
import { createSocket } from "node:dgram";

export interface MulticastSocket {
  /** Shares the port with other daemons of this machine. Rejects when it cannot be had. */
  bind(port: number): Promise<void>;
  /** Throws when the interface with this own address cannot do it. */
  addMembership(group: string, interfaceAddress: string): void;
  dropMembership(group: string, interfaceAddress: string): void;
  /** Sends through the interface with this own address. */
  sendThrough(
    interfaceAddress: string,
    bytes: Uint8Array,
    to: { host: string; port: number },
  ): Promise<void>;
  close(): void;
}

export interface MulticastHandlers {
  onDatagram(bytes: Uint8Array, from: { host: string; port: number }): void;
  onError(error: Error): void;
}

/** Makes a socket that is not bound yet. */
export type MulticastSocketFactory = (handlers: MulticastHandlers) => MulticastSocket;

/** IPv4, TTL 1 (the own network alone), looped back for other daemons on this machine. */
export function systemMulticastSocket(handlers: MulticastHandlers): MulticastSocket {
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  let isClosed = false;
  /** The interface is a state of the socket, so that one send has to follow the other. */
  let lastSend: Promise<unknown> = Promise.resolve();
  socket.on("message", (bytes, { address, port }) => {
    handlers.onDatagram(bytes, { host: address, port });
  });
  return {
    bind: (port) =>
      new Promise((resolve, reject) => {
        socket.once("error", reject);
        socket.bind(port, () => {
          socket.off("error", reject);
          socket.on("error", (error) => handlers.onError(error));
          socket.setMulticastLoopback(true);
          socket.setMulticastTTL(1);
          resolve();
        });
      }),
    addMembership: (group, interfaceAddress) => socket.addMembership(group, interfaceAddress),
    dropMembership: (group, interfaceAddress) => socket.dropMembership(group, interfaceAddress),
    sendThrough(interfaceAddress, bytes, to) {
      const send = async () => {
        if (isClosed) throw new Error("the socket is closed");
        socket.setMulticastInterface(interfaceAddress);
        await new Promise<void>((resolve, reject) => {
          socket.send(bytes, to.port, to.host, (error) => (error ? reject(error) : resolve()));
        });
      };
      const sent = lastSend.then(send, send);
      lastSend = sent;
      return sent;
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      socket.close();
    },
  };
}

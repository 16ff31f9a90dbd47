/** Plain TCP, for loopback and for networks that are encrypted by themselves. */
import { connect, createServer, isIP } from "node:net";
import { QWormholeError } from "./errors.js";
import type { LinkClock } from "./link.js";
import { SocketChannel } from "./socket-channel.js";
import { socketOptionsOf, startListening, waitForDial } from "./socket-listener.js";
import { systemLinkClock } from "./system-clock.js";
import type { Address, Transport } from "./transport.js";

export interface TcpTransportOptions {
  /**
   * Plain TCP is never a fallback; the caller says why it is safe. `loopback`: only addresses of
   * this machine are taken. `wireguard`: the network encrypts and authenticates by itself. Between
   * the ends of such a connection a handshake can be relayed, for TCP has nothing to bind it to.
   */
  insecure: "loopback" | "wireguard";
  clock?: LinkClock;
}

const NO_BINDING = new Uint8Array(32);

/**
 * Dials and listens reject with `QW_INSECURE_REFUSED` for an address that `insecure` does not
 * cover.
 */
export function tcpTransport(options: TcpTransportOptions): Transport {
  const clock = options.clock ?? systemLinkClock();
  const facts = { kind: "tcp", binding: NO_BINDING, peerCertificates: [] } as const;
  const check = (address: Address) => {
    if (options.insecure === "loopback" && !isLoopback(address.host)) {
      const message = `plain TCP is allowed for loopback only, not for ${address.host}`;
      throw new QWormholeError("QW_INSECURE_REFUSED", { message });
    }
  };
  return {
    async listen(address, onChannel) {
      check(address);
      const server = createServer((socket) => onChannel(new SocketChannel(socket, facts)));
      return startListening(server, address);
    },
    async dial(address, dialOptions = {}) {
      check(address);
      const socket = connect(socketOptionsOf(address, dialOptions));
      await waitForDial({ socket, readyEvent: "connect", address, options: dialOptions, clock });
      return new SocketChannel(socket, facts);
    },
  };
}

function isLoopback(host: string): boolean {
  if (host === "localhost" || host === "::1") return true;
  return isIP(host) === 4 && host.startsWith("127.");
}

/** Plain TCP, for loopback and for networks that are encrypted by themselves. */
import { connect, createServer, type Socket } from "node:net";
import { QWormholeError } from "./errors.js";
import type { LinkClock } from "./link.js";
import { type NetworkInterfaces, systemNetworkInterfaces } from "./network-interfaces.js";
import {
  ANYWHERE,
  LOOPBACK_ONLY,
  type PlainTcpRules,
  VerifiedWireGuardOnly,
} from "./plain-tcp-rules.js";
import { addressText, SocketChannel } from "./socket-channel.js";
import { socketOptionsOf, startListening, waitForDial } from "./socket-listener.js";
import { systemLinkClock } from "./system-clock.js";
import type { Transport } from "./transport.js";

export interface TcpTransportOptions {
  /**
   * Plain TCP is never a fallback; the caller says why it is safe. `loopback`: only addresses of
   * this machine are taken. `verified`: also addresses of an interface that this machine knows as
   * WireGuard, with peers in its networks (`VerifiedWireGuardOnly`). `wireguard`: the caller knows
   * that the network encrypts and authenticates by itself, and nothing is checked. Between the ends
   * of such a connection a handshake can be relayed, for TCP has nothing to bind it to.
   */
  insecure: "loopback" | "verified" | "wireguard";
  /** For `verified`. Default: those of this machine. */
  network?: NetworkInterfaces | undefined;
  /** For `verified`: further networks of peers behind the tunnel, such as `10.0.0.0/16`. */
  interfaceNetworks?: readonly string[] | undefined;
  /** A connection was accepted that `insecure` does not cover, and destroyed. */
  onRefused?: ((error: Error, remoteAddress: string) => void) | undefined;
  clock?: LinkClock | undefined;
}

const FACTS = { kind: "tcp", binding: new Uint8Array(32), peerCertificates: [] } as const;

/**
 * Dials and listens reject with `QW_INSECURE_REFUSED` for an address that `insecure` does not
 * cover: a literal before anything is sent, a name when it is connected and before a byte is
 * written. Throws `QW_OPTIONS_INVALID` for a network that is none.
 */
export function tcpTransport(options: TcpTransportOptions): Transport {
  const clock = options.clock ?? systemLinkClock();
  const rules = rulesOf(options);
  return {
    async listen(address, onChannel) {
      rules.checkListen(address.host);
      const server = createServer((socket) => {
        const remoteAddress = addressText(socket.remoteAddress, socket.remotePort);
        let channel: SocketChannel;
        try {
          channel = channelOf(socket, rules);
        } catch (error) {
          options.onRefused?.(error as Error, remoteAddress);
          return;
        }
        onChannel(channel);
      });
      return startListening(server, address);
    },
    async dial(address, dialOptions = {}) {
      rules.checkDial(address.host);
      const socket = connect(socketOptionsOf(address, dialOptions));
      await waitForDial({ socket, readyEvent: "connect", address, options: dialOptions, clock });
      return channelOf(socket, rules);
    },
  };
}

function rulesOf({ insecure, network, interfaceNetworks }: TcpTransportOptions): PlainTcpRules {
  if (insecure === "loopback") return LOOPBACK_ONLY;
  if (insecure === "wireguard") return ANYWHERE;
  return new VerifiedWireGuardOnly(network ?? systemNetworkInterfaces(), interfaceNetworks);
}

/** Destroys the socket when it throws. */
function channelOf(socket: Socket, rules: PlainTcpRules): SocketChannel {
  try {
    const { localAddress, remoteAddress } = socket;
    if (localAddress === undefined || remoteAddress === undefined) {
      throw new QWormholeError("QW_DIAL_FAILED", { message: "the connection was closed at once" });
    }
    rules.checkConnection(localAddress, remoteAddress);
    return new SocketChannel(socket, FACTS);
  } catch (error) {
    socket.on("error", () => {});
    socket.destroy();
    throw error;
  }
}

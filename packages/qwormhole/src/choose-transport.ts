/**
 * Which transport the options of a client or server mean. There is one for each set of options and
 * none is tried after another: where TLS is configured, plain TCP is never spoken.
 */
import { QWormholeError } from "./errors.js";
import { bindToInterface } from "./interface-binding.js";
import type { LinkClock } from "./link.js";
import { type NetworkInterfaces, systemNetworkInterfaces } from "./network-interfaces.js";
import { systemLinkClock } from "./system-clock.js";
import { tcpTransport } from "./tcp-transport.js";
import { type TlsCredentials, tlsTransport } from "./tls-transport.js";
import type { Transport } from "./transport.js";

export interface TransportChoice {
  /** A function is asked again at each dial, listen and `reload`. */
  tls?: TlsCredentials | (() => TlsCredentials) | undefined;
  /**
   * Plain TCP, and why it is safe. Without it and without `tls`, plain TCP is spoken on loopback
   * and on tunnels that this machine verifies to be WireGuard, and refused elsewhere.
   */
  insecure?: "loopback" | "wireguard" | undefined;
  /** See `InterfaceBindingOptions`. */
  interfaceName?: string | undefined;
  localAddress?: string | undefined;
  interfaceNetworks?: readonly string[] | undefined;
  interfaceWaitMs?: number | undefined;
  /** Default: the interfaces of this machine. */
  network?: NetworkInterfaces | undefined;
  clock?: LinkClock | undefined;
  /** Of TLS; see `TlsTransportOptions`. */
  handshakeTimeoutMs?: number | undefined;
  halfOpenMax?: number | undefined;
  halfOpenPerAddressMax?: number | undefined;
  /** A connection was accepted and refused before it was a channel. */
  onRefused?: ((error: Error, remoteAddress: string) => void) | undefined;
}

export interface ChosenTransport {
  readonly transport: Transport;
  /**
   * Lets listeners use the present TLS credentials for new connections; nothing without TLS. Throws
   * `QW_TLS_FAILED` and changes nothing when they cannot be used.
   */
  reload(): void;
}

/** Throws `QW_OPTIONS_INVALID` for options that contradict each other or have no meaning. */
export function chooseTransport(options: TransportChoice): ChosenTransport {
  check(options);
  const clock = options.clock ?? systemLinkClock();
  const network = options.network ?? systemNetworkInterfaces();
  const { inner, reload } = innerTransport(options, clock, network);
  return { transport: bindToInterface(inner, { ...options, clock, network }), reload };
}

function innerTransport(options: TransportChoice, clock: LinkClock, network: NetworkInterfaces) {
  const { tls, insecure = "verified", interfaceNetworks, onRefused } = options;
  if (tls === undefined) {
    const inner = tcpTransport({ insecure, network, interfaceNetworks, onRefused, clock });
    return { inner, reload: () => {} };
  }
  const credentials = typeof tls === "function" ? tls : () => tls;
  const { handshakeTimeoutMs, halfOpenMax, halfOpenPerAddressMax } = options;
  const inner = tlsTransport({
    credentials,
    clock,
    ...(onRefused && { onRefused }),
    ...(handshakeTimeoutMs !== undefined && { handshakeTimeoutMs }),
    ...(halfOpenMax !== undefined && { halfOpenMax }),
    ...(halfOpenPerAddressMax !== undefined && { halfOpenPerAddressMax }),
  });
  return { inner, reload: () => inner.reload() };
}

function check(options: TransportChoice): void {
  const { tls, insecure, interfaceName, interfaceNetworks, interfaceWaitMs } = options;
  if (tls !== undefined && insecure !== undefined) {
    throw invalid("`tls` and `insecure` contradict each other; leave one of them out");
  }
  if (insecure !== undefined && insecure !== "loopback" && insecure !== "wireguard") {
    const given = JSON.stringify(insecure);
    throw invalid(`\`insecure\` is "loopback" or "wireguard", not ${given}`);
  }
  const isUsed = interfaceName !== undefined || (tls === undefined && insecure === undefined);
  if (interfaceNetworks !== undefined && !isUsed) {
    throw invalid("`interfaceNetworks` says nothing without `interfaceName`; name the interface");
  }
  if (interfaceName === "") throw invalid("`interfaceName` is empty");
  if (interfaceWaitMs !== undefined && !(interfaceWaitMs >= 0 && interfaceWaitMs < Infinity)) {
    throw invalid(`\`interfaceWaitMs\` is ${interfaceWaitMs}; it must be 0 or more milliseconds`);
  }
}

const invalid = (message: string) => new QWormholeError("QW_OPTIONS_INVALID", { message });

import { QWormholeError } from "./errors.js";
import type { Link, LinkOptions } from "./link.js";
import { openLink } from "./open-link.js";
import type { Address, Transport } from "./transport.js";

/**
 * Dials and makes a link. Rejects with a `QWormholeError`: `QW_DIAL_*` when nobody can be reached,
 * `QW_TLS_FAILED`, or the reason of a failed handshake (`QW_REFUSED_BY_PEER` with `remoteCode` when
 * the other side refused). `signal` gives up the dial and the handshake. `onOpen` is called before
 * anything of the link is delivered.
 */
export async function dialLink(
  transport: Transport,
  address: Address,
  options: LinkOptions & { signal?: AbortSignal | undefined; dialTimeoutMs?: number },
  onOpen?: (link: Link) => void,
): Promise<Link> {
  const { signal, dialTimeoutMs } = options;
  const channel = await transport.dial(address, {
    ...(signal === undefined ? {} : { signal }),
    ...(dialTimeoutMs === undefined ? {} : { timeoutMs: dialTimeoutMs }),
  });
  const onAbort = () => {
    channel.destroy(new QWormholeError("QW_CANCELLED", { cause: signal?.reason }));
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await openLink(channel, "dialer", options, onOpen);
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

/** Two links that are joined in memory, for tests of code that uses links. */
import { dialLink } from "../dial-link.js";
import type { Link, LinkOptions } from "../link.js";
import { type LinkListener, listenLinks } from "../listen-links.js";
import { memoryTransport } from "../memory-transport.js";
import type { Transport } from "../transport.js";
import { testIdentity } from "./certificates.js";

export interface LinkPair {
  readonly dialer: Link;
  readonly listener: Link;
  readonly server: LinkListener;
}

const ADDRESS = { host: "listener", port: 1 };

/** `identity` and `handlers` may be left out. */
export async function linkPair(
  dialer: Partial<LinkOptions> = {},
  listener: Partial<LinkOptions> = {},
  transport: Transport = memoryTransport(),
): Promise<LinkPair> {
  let accept: (link: Link) => void = () => {};
  const accepted = new Promise<Link>((resolve) => {
    accept = resolve;
  });
  const options = { identity: testIdentity(), handlers: {}, ...listener };
  const server = await listenLinks(transport, ADDRESS, options, accept);
  const link = await dialLink(transport, ADDRESS, {
    identity: testIdentity(),
    handlers: {},
    ...dialer,
  });
  return { dialer: link, listener: await accepted, server };
}

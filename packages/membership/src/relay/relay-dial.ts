/** Opens a link to a node through relays: a stream that they pass on, and TLS inside it. */
import type { NodeId } from "@hearthmesh/core";
import type { Link } from "@hearthmesh/qwormhole";
import type { LinkDialer } from "../ports.js";
import { encodeRelayHeader, RELAY_METHOD } from "./relay-header.js";

export interface RelayDialOptions {
  readonly self: NodeId;
  /** To the first relay. */
  readonly link: Link;
  /** The relays in their order, then the target. */
  readonly path: readonly NodeId[];
  readonly dialer: Pick<LinkDialer, "dialOver">;
  /** Gives up; the link, once there is one, does not depend on it. */
  readonly signal?: AbortSignal;
}

/** Rejects with what a relay or the target answered (see `fromWireError`). */
export async function dialThroughRelays(options: RelayDialOptions): Promise<Link> {
  const { self, link, path, dialer, signal } = options;
  const target = path.at(-1);
  if (target === undefined) throw new RangeError("a path without a target");
  const header = encodeRelayHeader({ path, origin: self, via: [] });
  const stream = await link.openStream(RELAY_METHOD, header, { priority: "bulk" });
  return dialer.dialOver(stream, {
    expectedNodeId: target,
    ...(signal === undefined ? {} : { signal }),
  });
}

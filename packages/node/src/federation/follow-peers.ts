/**
 * What happens on the links of a coordinator when a peer comes, changes or goes: TLS learns its
 * CAs, links that are not good any longer end, and the nodes of this member are told.
 */
import type { PeerBook } from "@hearthmesh/collective";
import { errorFields, type Logger } from "@hearthmesh/core";
import { isForeign, type PeerTrustList, type Principal } from "@hearthmesh/identity";
import type { Link } from "@hearthmesh/qwormhole";
import type { LinkDoors } from "../link-doors.js";
import { principalOf } from "../method-router.js";
import { sendPeerTrust } from "./trust-mirror.js";

export interface FollowPeersOptions {
  readonly peers: Pick<PeerBook, "onChange" | "trustList">;
  readonly doors: Pick<LinkDoors, "reloadAuthorities" | "recheck" | "links">;
  readonly log: Logger;
}

/** Returns how to stop. */
export function followPeers({ peers, doors, log }: FollowPeersOptions): () => void {
  return peers.onChange(({ trustDomain }) => {
    doors.reloadAuthorities();
    const isOfPeer = (principal: Principal) =>
      isForeign(principal) && principal.trustDomain === trustDomain;
    const count = doors.recheck(isOfPeer);
    if (count > 0) log.info("links of a peer were closed", { trustDomain, count });
    // The number of the list is written beside the peer, and known when this turn is over.
    queueMicrotask(() => {
      const list = peers.trustList();
      for (const link of doors.links()) tellPeers(link, list, log);
    });
  });
}

/** Storage nodes judge certificates of peers themselves, so they get each list at once. */
export function tellPeers(link: Link, list: PeerTrustList, log: Logger): void {
  const { kind, name } = principalOf(link.peer);
  if (kind !== "node") return;
  sendPeerTrust(link, list).catch((error: unknown) =>
    log.debug("a node did not take the peers", { nodeName: name, ...errorFields(error) }),
  );
}

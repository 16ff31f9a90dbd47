/** Peers: codes for new ones, who they are, exchange of bundles, and their end. */
import {
  EnrolmentLimiter,
  isPeerInviteOpen,
  type PeerInviteRecord,
  type PeerRecord,
} from "@hearthmesh/collective";
import { errorFields, limits, MeshError, parseDurationMs } from "@hearthmesh/core";
import { PEER_ENDPOINTS, type PeerInviteView, type PeerView } from "../contracts/peers.js";
import type { PeeringService } from "../peering-service.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";
import { actorOf } from "./key-routes.js";

/** Of each peer: one exchange in five minutes is the rule, a few more when something changes. */
const EXCHANGE_LIMITS = { perAddressPerMinute: 12, what: "bundles" } as const;

export function peerRoutes(services: GatewayServices): Route[] {
  return [...operatorRoutes(services), ...bundleRoutes(services), contactRoute(services)];
}

function operatorRoutes(services: GatewayServices): Route[] {
  const { clock, authority } = services;
  const { peers } = authority;
  const view = (peer: PeerRecord) => peerView(services, peer);
  return [
    defineRoute(PEER_ENDPOINTS.peers, "operator", async () => ({
      peers: peers.list().map(view),
      invites: peers.listInvites().map((invite) => inviteView(invite, clock.nowMs())),
    })),
    defineRoute(PEER_ENDPOINTS.invitePeer, "operator", async ({ body, caller }) => {
      const { as: alias, validity } = body;
      const made = await peers.createInvite(actorOf(caller), {
        ...(alias === undefined ? {} : { alias }),
        validityMs: parseDurationMs(validity),
        endpoints: services.enrolmentEndpoints(),
      });
      const { record, text, link } = made;
      return { invite: inviteView(record, clock.nowMs()), code: text, link };
    }),
    defineRoute(PEER_ENDPOINTS.revokePeerInvite, "operator", async ({ params, caller }) => {
      const record = await peers.revokeInvite(actorOf(caller), params.invite);
      return { invite: inviteView(record, clock.nowMs()) };
    }),
    defineRoute(PEER_ENDPOINTS.acceptPeer, "operator", async ({ body, caller, signal }) => {
      const request = { code: body.code, alias: body.as, signal };
      return { peer: view(await peering(services).accept(actorOf(caller), request)) };
    }),
    defineRoute(PEER_ENDPOINTS.removePeer, "operator", async ({ params, caller }) => {
      const { peer, told } = await peering(services).remove(actorOf(caller), params.peer);
      return { alias: peer.alias, trustDomain: peer.trustDomain, told };
    }),
    defineRoute(PEER_ENDPOINTS.refreshPeer, "operator", async ({ params }) => {
      return { peer: view(await peering(services).refresh(peers.find(params.peer))) };
    }),
  ];
}

/** A bundle is for whoever knows this member; its own members may look at it too. */
function bundleRoutes(services: GatewayServices): Route[] {
  const { clock, log, authority } = services;
  const limiter = new EnrolmentLimiter(EXCHANGE_LIMITS);
  const { peers } = authority;
  const ownBundle = async () => ({ bundle: { ...(await peers.ownBundle()) } });
  return [
    defineRoute(PEER_ENDPOINTS.ownBundle, "files", ownBundle),
    defineRoute(
      PEER_ENDPOINTS.exchangeBundles,
      "peer",
      async ({ body, caller }) => {
        const { trustDomain } = caller.principal;
        limiter.admit(trustDomain, clock.monotonicMs());
        const peer = await peers.refresh(trustDomain, body.bundle);
        services.peering?.heardFrom(peer);
        return ownBundle();
      },
      { bodyBytesMax: limits.PEER_BUNDLE_BYTES_MAX },
    ),
    defineRoute(PEER_ENDPOINTS.farewell, "peer", async ({ caller, reply }) => {
      // Removal ends every connection of the peer, this one too: so the answer goes out first. If
      // it were never removed then, it would only be a peer that refuses this member.
      reply.header("connection", "close");
      reply.raw.once("close", () => {
        peers.removedBy(caller.principal).catch((error: unknown) => {
          const { trustDomain } = caller.principal;
          log.warn("a peer that left could not be removed", { trustDomain, ...errorFields(error) });
        });
      });
      return { heard: true };
    }),
  ];
}

function contactRoute({ authority }: GatewayServices): Route {
  return defineRoute(PEER_ENDPOINTS.peerContact, "enrolled", async ({ params }) => {
    const peer = authority.peers.find(params.peer);
    const { alias, memberId, trustDomain, caCertificatesPem, coordinators } = peer;
    return {
      alias,
      memberId,
      trustDomain,
      caCertificatesPem: [...caCertificatesPem],
      coordinators: contactsOf({ coordinators }),
    };
  });
}

function peering({ peering }: GatewayServices): PeeringService {
  if (peering !== undefined) return peering;
  throw new MeshError("MESH_NOT_FOUND", { message: "this node does not speak to other members" });
}

function peerView(services: GatewayServices, peer: PeerRecord): PeerView {
  const { alias, memberId, trustDomain, sequence, bundleNotAfterMs, acceptedAtMs } = peer;
  return {
    alias,
    memberId,
    trustDomain,
    words: services.authority.peers.wordsOf(peer),
    ...exchangeView(services, peer),
    coordinators: contactsOf(peer),
    revoked: peer.revocations.entries.length,
    sequence,
    bundleNotAfterMs,
    acceptedAtMs,
    acceptedBy: peer.acceptedBy,
  };
}

function exchangeView({ peering, clock }: GatewayServices, peer: PeerRecord) {
  const { state, reason, lastOkMs } = peering?.exchangeWith(peer) ?? { state: "unknown" as const };
  const last = lastOkMs === undefined ? {} : { lastExchange: new Date(lastOkMs).toISOString() };
  if (clock.nowMs() <= peer.bundleNotAfterMs) {
    return { state, ...(reason === undefined ? {} : { reason }), ...last };
  }
  const why = "nothing was heard of it for too long: nobody of it is believed";
  return {
    state: "expired" as const,
    reason: reason === undefined ? why : `${why} (${reason})`,
    ...last,
  };
}

function contactsOf({ coordinators }: Pick<PeerRecord, "coordinators">) {
  return coordinators.map((contact) => ({
    nodeId: contact.nodeId,
    name: contact.name,
    apiAddresses: [...contact.apiAddresses],
    linkAddresses: [...contact.linkAddresses],
    enrolmentAddresses: [...contact.enrolmentAddresses],
  }));
}

function inviteView(record: PeerInviteRecord, nowMs: number): PeerInviteView {
  const { id, alias, createdAtMs, createdBy, notAfterMs, use } = record;
  return {
    id,
    state: inviteState(record, nowMs),
    ...(alias === undefined ? {} : { alias }),
    createdAtMs,
    createdBy,
    notAfterMs,
    ...(use === undefined ? {} : { usedBy: use.trustDomain }),
  };
}

function inviteState(record: PeerInviteRecord, nowMs: number): PeerInviteView["state"] {
  if (isPeerInviteOpen(record, nowMs)) return "open";
  if (record.use !== undefined) return "used";
  return record.revokedAtMs === undefined ? "expired" : "revoked";
}

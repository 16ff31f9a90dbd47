/** The peers of the own member, for its operator. */
import type {
  PeerAcceptRequest,
  PeerInviteRequest,
  PeerInviteResponse,
  PeerInviteView,
  PeerRemoveResponse,
  PeerResponse,
  PeersResponse,
} from "@hearthmesh/gateway/contracts";
import type { ApiClient } from "./api-client.js";

export function listPeers(api: ApiClient): Promise<PeersResponse> {
  return api.call("GET", "/api/peers");
}

export function invitePeer(api: ApiClient, body: PeerInviteRequest): Promise<PeerInviteResponse> {
  return api.call("POST", "/api/peers/invites", body);
}

export function revokePeerInvite(api: ApiClient, id: string): Promise<{ invite: PeerInviteView }> {
  return api.call("DELETE", `/api/peers/invites/${encodeURIComponent(id)}`);
}

export function acceptPeer(api: ApiClient, body: PeerAcceptRequest): Promise<PeerResponse> {
  return api.call("POST", "/api/peers", body);
}

export function removePeer(api: ApiClient, peer: string): Promise<PeerRemoveResponse> {
  return api.call("DELETE", `/api/peers/${encodeURIComponent(peer)}`);
}

export function refreshPeer(api: ApiClient, peer: string): Promise<PeerResponse> {
  return api.call("POST", `/api/peers/${encodeURIComponent(peer)}/refresh`);
}

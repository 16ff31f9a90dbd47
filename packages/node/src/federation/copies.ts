/**
 * Copies at friends, joined to this node: this home's files as its operator reads them, the files
 * of peers as this coordinator reaches them, and what is offered to whom.
 */
import {
  type Authority,
  type Coordinator,
  type CopiesOptions,
  CopyKeys,
  type FriendOffer,
  type NodeLinks,
  type QuotaTerms,
} from "@hearthmesh/collective";
import { MeshError, type NodeId, parseTrustDomain, type TrustDomain } from "@hearthmesh/core";
import type { MethodPart } from "../method-router.js";
import type { Tools } from "../tools.js";
import type { GatewayPeers } from "./gateway-peers.js";
import { homeFiles } from "./home-files.js";

const METHOD = "peer.quota";

export interface HomeCopiesOptions extends Tools {
  readonly nodeId: NodeId;
  readonly authority: Authority;
  readonly storeKey: Uint8Array;
  readonly links: NodeLinks;
  readonly peers: Pick<GatewayPeers, "filesOf" | "callAt">;
  /** The coordinator that these copies belong to. */
  coordinator(): Pick<Coordinator, "call">;
}

export function homeCopies(options: HomeCopiesOptions): CopiesOptions {
  const { nodeId, authority, storeKey, links, peers, coordinator, ...tools } = options;
  const operator = () => authority.localOperator();
  return {
    keys: new CopyKeys(storeKey),
    ownDomain: authority.trustDomain,
    links,
    home: homeFiles(
      { nodeId, coordinator: { call: (...call) => coordinator().call(...call) }, links, ...tools },
      operator,
    ),
    friends: {
      list: () => authority.peers.list().map(({ trustDomain, alias }) => ({ trustDomain, alias })),
      askOffer: async (domain, signal) =>
        readOffer(await peers.callAt(domainOf(domain), METHOD, {}, signal)),
      files: (domain) => peers.filesOf(domainOf(domain), operator()),
    },
  };
}

export function quotaTerms(authority: Authority): QuotaTerms {
  return {
    ownDomain: authority.trustDomain,
    operator: () => authority.localOperator(),
    get: (domain) => authority.quotas.get(domain),
    list: () => authority.quotas.list(),
  };
}

/** Serves the coordinators of peers: what each of them was offered. */
export function peerQuotaPart(handlers: MethodPart["handlers"]): MethodPart {
  return { prefixes: [METHOD], handlers };
}

function domainOf(text: string): TrustDomain {
  return parseTrustDomain(text);
}

/** What another member says is checked before anything is counted with it. */
function readOffer(header: object): FriendOffer {
  const { bytes, usedBytes, withdrawn } = header as Partial<Record<keyof FriendOffer, unknown>>;
  const isCount = (value: unknown): value is number =>
    Number.isSafeInteger(value) && (value as number) >= 0;
  if (isCount(bytes) && isCount(usedBytes) && typeof withdrawn === "boolean") {
    return { bytes, usedBytes, withdrawn };
  }
  throw new MeshError("MESH_PROTOCOL", { message: "its offer is not of the form" });
}

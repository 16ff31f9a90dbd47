/** Policies and quotas, for operators: asked of the coordinator that leads, wherever it runs. */
import type {
  CopyPolicy,
  Friend,
  GivenQuota,
  PolicyExplainResponse,
  PolicyListResponse,
  PolicySetResponse,
  QuotaListResponse,
} from "@hearthmesh/collective";
import { isMeshError, parseTrustDomain, type TrustDomain } from "@hearthmesh/core";
import {
  COPIES_ENDPOINTS,
  type CopyPolicyView,
  type FriendView,
  type QuotaView,
} from "../contracts/copies.js";
import { copiesView } from "../copies-view.js";
import type { Caller } from "../server/policy.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";

type Services = Pick<GatewayServices, "coordinator" | "authority">;

export function copiesRoutes(services: Services): Route[] {
  return [...policyRoutes(services), ...quotaRoutes(services)];
}

async function ask<Header>(
  { coordinator }: Services,
  { principal }: Caller,
  method: string,
  header: object = {},
): Promise<Header> {
  return (await coordinator.call(principal, method, header)).header as Header;
}

function policyRoutes(services: Services): Route[] {
  return [
    defineRoute(COPIES_ENDPOINTS.policies, "operator", async ({ caller }) => {
      const answer = await ask<PolicyListResponse>(services, caller, "policy.list");
      return { policies: answer.policies.map(policyView), copies: copiesView(answer.copies) };
    }),
    defineRoute(COPIES_ENDPOINTS.setPolicy, "operator", async ({ body, caller }) => {
      const answer = await ask<PolicySetResponse>(services, caller, "policy.set", body);
      return { policy: policyView(answer.policy) };
    }),
    defineRoute(COPIES_ENDPOINTS.removePolicy, "operator", async ({ query, caller }) => {
      const answer = await ask<PolicySetResponse>(services, caller, "policy.remove", query);
      return { policy: policyView(answer.policy) };
    }),
    defineRoute(COPIES_ENDPOINTS.explainPolicy, "operator", async ({ query, caller }) => {
      const answer = await ask<PolicyExplainResponse>(services, caller, "policy.explain", query);
      const { path, policy, atFriends, friends } = answer;
      return {
        path,
        policy: policy === undefined ? null : policyView(policy),
        atHome: services.coordinator.layout().replicas,
        atFriends,
        friends: friends.map(friendView),
      };
    }),
  ];
}

function quotaRoutes(services: Services): Route[] {
  const { peers, quotas } = services.authority;
  const list = (caller: Caller) => ask<QuotaListResponse>(services, caller, "quota.list");
  const view = (quota: GivenQuota) => quotaView(quota, aliasOf(services, quota.trustDomain));
  const one = async (caller: Caller, trustDomain: TrustDomain) => {
    const { given } = await list(caller);
    const present = quotas.get(trustDomain);
    const found = given.find((quota) => quota.trustDomain === trustDomain);
    // The coordinator that leads may hear of a change a moment later than this one.
    return view({ offeredAtMs: 0, bytes: 0, ...found, ...present, trustDomain });
  };
  return [
    defineRoute(COPIES_ENDPOINTS.quotas, "operator", async ({ caller }) => {
      const { given, received } = await list(caller);
      return { given: given.map(view), received: received.map(friendView) };
    }),
    defineRoute(COPIES_ENDPOINTS.offerQuota, "operator", async ({ params, body, caller }) => {
      const { trustDomain } = peers.find(params.peer);
      await quotas.offer(caller.principal, trustDomain, body.bytes);
      return { quota: await one(caller, trustDomain) };
    }),
    defineRoute(COPIES_ENDPOINTS.withdrawQuota, "operator", async ({ params, caller }) => {
      const trustDomain = domainOf(services, params.peer);
      await quotas.withdraw(caller.principal, trustDomain);
      return { quota: await one(caller, trustDomain) };
    }),
  ];
}

/** Of a peer, or of one that is none any more. */
function domainOf({ authority }: Services, name: string): TrustDomain {
  try {
    return authority.peers.find(name).trustDomain;
  } catch (error) {
    if (!isMeshError(error, "MESH_PEER_UNKNOWN") || !name.includes(".")) throw error;
    return parseTrustDomain(name);
  }
}

function aliasOf({ authority }: Services, trustDomain: string): string | null {
  return authority.peers.get(parseTrustDomain(trustDomain))?.alias ?? null;
}

function policyView({
  path,
  strategy,
  replicas,
  members,
  setAtMs,
  setBy,
}: CopyPolicy): CopyPolicyView {
  return { path, strategy, replicas, members, setAtMs, setBy };
}

function friendView({ trustDomain, alias, offer, heardAtMs, failure }: Friend): FriendView {
  return {
    trustDomain,
    alias,
    offer: offer === undefined ? null : { ...offer },
    heardAtMs: heardAtMs ?? null,
    failure: failure ?? null,
  };
}

function quotaView(quota: GivenQuota, alias: string | null): QuotaView {
  const { trustDomain, bytes, offeredAtMs } = quota;
  return {
    trustDomain,
    alias,
    bytes,
    usedBytes: quota.usedBytes ?? null,
    files: quota.files ?? null,
    offeredAtMs,
    withdrawnAtMs: quota.withdrawnAtMs ?? null,
  };
}

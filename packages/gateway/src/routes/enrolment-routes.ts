/**
 * The enrolment door: strangers with an invite, and identities whose certificate has expired. The
 * caller proves itself by what the body holds; attempts are limited by address before it is looked
 * at.
 */
import type { EnrolResult } from "@hearthmesh/collective";
import { limits, MeshError } from "@hearthmesh/core";
import type { FastifyRequest } from "fastify";
import { ENROLMENT_ENDPOINTS, type EnrolResponse } from "../contracts/index.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";
import { grantView } from "./views.js";

export function enrolmentRoutes(services: GatewayServices): Route[] {
  const { authority, enrolmentLimiter, clock } = services;
  const admit = (request: FastifyRequest) => {
    enrolmentLimiter.admit(request.raw.socket.remoteAddress ?? "unknown", clock.monotonicMs());
  };
  return [
    defineRoute(ENROLMENT_ENDPOINTS.enrol, "public", async ({ body, request }) => {
      admit(request);
      return enrolmentView(services, await authority.enrol(body));
    }),
    defineRoute(
      ENROLMENT_ENDPOINTS.enrolPeer,
      "public",
      async ({ body, request }) => {
        admit(request);
        services.peering?.heardFrom(await authority.peers.redeem(body));
        return { bundle: { ...(await authority.peers.ownBundle()) } };
      },
      { bodyBytesMax: limits.PEER_BUNDLE_BYTES_MAX },
    ),
    defineRoute(ENROLMENT_ENDPOINTS.joinPool, "public", async ({ body, request, signal }) => {
      admit(request);
      if (services.pools === undefined) throw new MeshError("MESH_POOL_UNKNOWN");
      const address = request.raw.socket.remoteAddress ?? "unknown";
      const { words, poolName, networkId, ...outcome } = await services.pools.join(
        body,
        address,
        signal,
      );
      const told = { words, poolName, networkId };
      if (outcome.state === "waiting") return { state: outcome.state, ...told };
      const enrolment = enrolmentView(services, outcome.enrolment);
      return { state: outcome.state, ...told, enrolment, roster: { ...outcome.roster } };
    }),
    defineRoute(ENROLMENT_ENDPOINTS.hub, "public", async ({ request }) => {
      admit(request);
      const { nodeId, linkAddresses } = services.coordinatorContact;
      return { nodeId, linkAddresses: [...linkAddresses()] };
    }),
    defineRoute(ENROLMENT_ENDPOINTS.recover, "public", async ({ body, request }) => {
      admit(request);
      const signature = Buffer.from(body.signature, "base64");
      return enrolmentView(services, await authority.recover({ ...body, signature }));
    }),
  ];
}

function enrolmentView(services: GatewayServices, enrolment: EnrolResult): EnrolResponse {
  const { coordinatorContact } = services;
  const { certificatePem, caCertificatePem, memberId, trustDomain, spiffeId } = enrolment;
  return {
    certificatePem,
    caCertificatePem,
    memberId,
    trustDomain,
    spiffeId,
    grants: enrolment.grants.map(grantView),
    roles: [...enrolment.roles],
    coordinator: {
      nodeId: coordinatorContact.nodeId,
      apiAddresses: [...coordinatorContact.apiAddresses()],
      linkAddresses: [...coordinatorContact.linkAddresses()],
    },
  };
}

/**
 * The enrolment door: strangers with an invite, and identities whose certificate has expired. The
 * caller proves itself by what the body holds; attempts are limited by address before it is looked at.
 */
import { parseNodeId } from "@hearthmesh/core";
import type { FastifyRequest } from "fastify";
import { ENROLMENT_ENDPOINTS, type EnrolResponse } from "../contracts/index.js";
import { defineRoute, type Route } from "../server/route.js";
import type { Enrolment, GatewayServices } from "../services.js";
import { grantView } from "./views.js";

export function enrolmentRoutes(services: GatewayServices): Route[] {
  const { trust } = services;
  const attempt = (request: FastifyRequest) => {
    trust.admitAttempt(request.raw.socket.remoteAddress ?? "unknown");
  };
  return [
    defineRoute(ENROLMENT_ENDPOINTS.enrol, "public", async ({ body, request }) => {
      attempt(request);
      return enrolmentView(services, await trust.enrol(body));
    }),
    defineRoute(ENROLMENT_ENDPOINTS.recover, "public", async ({ body, request }) => {
      attempt(request);
      const nodeId = parseNodeId(body.nodeId);
      return enrolmentView(services, await trust.recover({ ...body, nodeId }));
    }),
  ];
}

function enrolmentView(services: GatewayServices, enrolment: Enrolment): EnrolResponse {
  const { member, coordinatorContact } = services;
  const { certificatePem, caCertificatePem, spiffeId, grants, roles } = enrolment;
  return {
    certificatePem,
    caCertificatePem,
    memberId: member.id,
    trustDomain: member.trustDomain,
    spiffeId,
    grants: grants.map(grantView),
    roles: [...roles],
    coordinator: {
      nodeId: coordinatorContact.nodeId,
      apiAddresses: [...coordinatorContact.apiAddresses()],
      linkAddresses: [...coordinatorContact.linkAddresses()],
    },
  };
}

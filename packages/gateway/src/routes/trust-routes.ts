/** Identities, invites, revocation, renewal. */
import { MeshError, parseDurationMs } from "@hearthmesh/core";
import { parseGrant } from "@hearthmesh/identity";
import { renderSVG } from "uqr";
import { ENDPOINTS } from "../contracts/index.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";
import { grantView, identityView, inviteView, revocationView } from "./views.js";

export function trustRoutes(services: GatewayServices): Route[] {
  return [...inviteRoutes(services), ...identityRoutes(services)];
}

/** Whom an enrolled person may invite, see and turn away is the authority's own rule. */
function inviteRoutes(services: GatewayServices): Route[] {
  const { authority, clock } = services;
  return [
    defineRoute(ENDPOINTS.createInvite, "enrolled", async ({ body, query, caller }) => {
      const { grants, validity, ...rest } = body;
      const { record, text, link } = await authority.createInvite(caller.principal, {
        ...rest,
        grants: grants.map(parseGrant),
        validityMs: parseDurationMs(validity),
        endpoints: services.enrolmentEndpoints(),
      });
      const invite = inviteView(record, clock.nowMs());
      const made = { invite, code: text, link };
      return query.qr === true ? { ...made, qrSvg: renderSVG(link, { border: 2 }) } : made;
    }),
    defineRoute(ENDPOINTS.invites, "enrolled", async ({ caller }) => {
      const nowMs = clock.nowMs();
      const invites = await authority.listInvites(caller.principal);
      return { invites: invites.map((invite) => inviteView(invite, nowMs)) };
    }),
    defineRoute(ENDPOINTS.revokeInvite, "enrolled", async ({ params, caller }) => {
      const invite = await authority.revokeInvite(caller.principal, params.invite);
      return { invite: inviteView(invite, clock.nowMs()) };
    }),
  ];
}

function identityRoutes({ authority, member }: GatewayServices): Route[] {
  return [
    defineRoute(ENDPOINTS.whoami, "enrolled", async ({ caller }) => {
      const { kind, spiffeId, name, nodeId, notAfterMs } = caller.principal;
      return {
        kind,
        spiffeId,
        name,
        nodeId,
        memberId: member.id,
        grants: authority.grantsOf(caller.principal).map(grantView),
        certificateNotAfter: new Date(notAfterMs).toISOString(),
        operator: caller.operator,
      };
    }),
    defineRoute(ENDPOINTS.identities, "operator", async () => {
      return { identities: authority.listIdentities().map(identityView) };
    }),
    defineRoute(ENDPOINTS.revoke, "operator", async ({ body, caller }) => {
      const { nodeId } = await authority.revoke(caller.principal, body.identity, body.reason);
      const { entries, epoch } = authority.revocationList();
      const entry = entries.find((item) => item.nodeId === nodeId);
      if (entry === undefined) throw new MeshError("MESH_INTERNAL");
      return { revoked: revocationView(entry), epoch };
    }),
    defineRoute(ENDPOINTS.revocationList, "enrolled", async () => {
      const list = authority.revocationList();
      return { ...list, entries: list.entries.map(revocationView) };
    }),
    defineRoute(ENDPOINTS.renew, "self", async ({ body, caller }) => {
      const { certificatePem, caCertificatePem } = await authority.renew(
        caller.principal,
        body.csrPem,
      );
      return { certificatePem, caCertificatePem };
    }),
  ];
}

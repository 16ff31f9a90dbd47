/** Identities, invites, revocation, renewal. */
import { parseDurationMs } from "@hearthmesh/core";
import { inviteIdOf, parseGrant } from "@hearthmesh/identity";
import { ENDPOINTS } from "../contracts/index.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";
import { grantView, identityView, inviteView, revocationView } from "./views.js";

export function trustRoutes(services: GatewayServices): Route[] {
  return [...inviteRoutes(services), ...identityRoutes(services)];
}

function inviteRoutes({ trust, clock, log }: GatewayServices): Route[] {
  return [
    defineRoute(ENDPOINTS.createInvite, "operator", async ({ body, caller }) => {
      const { grants, validity, ...rest } = body;
      const made = await trust.createInvite({
        ...rest,
        grants: grants.map(parseGrant),
        validityMs: parseDurationMs(validity),
        createdBy: caller.principal.spiffeId,
      });
      log.info("invite made", {
        inviteId: made.invite.id,
        principal: caller.principal.spiffeId,
      });
      const invite = inviteView(made.invite, clock.nowMs());
      return { invite, code: made.code, link: made.link };
    }),
    defineRoute(ENDPOINTS.invites, "operator", async () => {
      const nowMs = clock.nowMs();
      return { invites: (await trust.invites()).map((invite) => inviteView(invite, nowMs)) };
    }),
    defineRoute(ENDPOINTS.revokeInvite, "operator", async ({ params }) => {
      const invite = await trust.revokeInvite(inviteIdOf(params.invite));
      return { invite: inviteView(invite, clock.nowMs()) };
    }),
  ];
}

function identityRoutes({ trust, member }: GatewayServices): Route[] {
  return [
    defineRoute(ENDPOINTS.whoami, "enrolled", async ({ caller }) => {
      const { kind, spiffeId, name, nodeId, notAfterMs } = caller.principal;
      return {
        kind,
        spiffeId,
        name,
        nodeId,
        memberId: member.id,
        grants: (await trust.grantsOf(caller.principal)).map(grantView),
        certificateNotAfter: new Date(notAfterMs).toISOString(),
        operator: caller.operator,
      };
    }),
    defineRoute(ENDPOINTS.identities, "operator", async () => {
      return { identities: (await trust.identities()).map(identityView) };
    }),
    defineRoute(ENDPOINTS.revoke, "operator", async ({ body }) => {
      const { entry, epoch } = await trust.revoke(body.identity, body.reason);
      return { revoked: revocationView(entry), epoch };
    }),
    defineRoute(ENDPOINTS.revocationList, "enrolled", async () => {
      const list = await trust.revocationList();
      return { ...list, entries: list.entries.map(revocationView) };
    }),
    defineRoute(ENDPOINTS.renew, "self", ({ body, caller }) =>
      trust.renew(caller.principal, body.csrPem),
    ),
  ];
}

/** Grants: listed, given, taken away, explained. Who may do what is the authority's own rule. */
import { type GrantRecord, parseGrantEnd } from "@hearthmesh/collective";
import { formatGrant, isWithin, parseGrant, parseGrantPath } from "@hearthmesh/identity";
import { GRANT_ENDPOINTS, type GrantEntry } from "../contracts/grants.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";
import { actorOf } from "./key-routes.js";
import { grantView } from "./views.js";

export function grantRoutes(services: GatewayServices): Route[] {
  const { authority, clock } = services;
  const { grants } = authority;
  const view = (record: GrantRecord) => entryOf(services, record);
  return [
    defineRoute(GRANT_ENDPOINTS.grants, "enrolled", async ({ query, caller }) => {
      const path = query.path === undefined ? undefined : parseGrantPath(query.path);
      const subject = query.subject?.trim().toLowerCase();
      const wanted = ({ subject: one, nodeId, grant }: GrantRecord) =>
        (subject === undefined || subject === one || subject === nodeId) &&
        (path === undefined || isWithin(grant.path, path) || isWithin(path, grant.path));
      return { grants: grants.list(caller.principal).filter(wanted).map(view) };
    }),
    defineRoute(GRANT_ENDPOINTS.addGrant, "enrolled", async ({ body, caller }) => {
      const parsed = parseGrant(body.grant);
      const { until, deny } = body;
      const record = await grants.give(actorOf(caller), {
        subject: body.subject,
        grant: {
          ...parsed,
          ...(deny ? { effect: "deny" as const } : {}),
          ...(until === undefined ? {} : { notAfterMs: parseGrantEnd(until, clock.nowMs()) }),
        },
      });
      return { grant: view(record) };
    }),
    defineRoute(GRANT_ENDPOINTS.removeGrant, "enrolled", async ({ params, caller }) => {
      return { removed: view(await grants.take(actorOf(caller), params.grant)) };
    }),
    defineRoute(GRANT_ENDPOINTS.explainGrant, "enrolled", async ({ query, caller }) => {
      const { subject, right } = query;
      const path = parseGrantPath(query.path);
      const { others, notes, advice, ...rest } = authority.explain(
        caller.principal,
        path,
        right,
        subject,
      );
      return { ...rest, others: [...others], notes: [...notes], advice: [...advice] };
    }),
  ];
}

function entryOf({ authority }: GatewayServices, record: GrantRecord): GrantEntry {
  const { id, subject, nodeId, grant, createdBy, givenBy, createdAtMs } = record;
  return {
    id,
    subject,
    ...(nodeId === undefined ? {} : { nodeId }),
    grant: grantView(grant),
    text: formatGrant(grant),
    state: authority.grants.stateOf(record),
    createdBy,
    ...(givenBy === undefined ? {} : { givenBy: authority.identity(givenBy)?.name ?? givenBy }),
    createdAtMs,
  };
}

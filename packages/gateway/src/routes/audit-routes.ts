/** The audit trail: page by page, and checked as a whole. */
import type { AuditRecord } from "@hearthmesh/collective";
import { type AuditRecordView, KEY_ENDPOINTS } from "../contracts/keys.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";

export function auditRoutes({ authority }: GatewayServices): Route[] {
  return [
    defineRoute(KEY_ENDPOINTS.audit, "operator", async ({ query }) => {
      const { after, limit, newest } = query;
      const start = newest === true ? Math.max(0, (await authority.auditLength()) - limit) : after;
      const { records, more } = await authority.auditTrail({ after: start, limit });
      return { records: records.map(auditView), more };
    }),
    defineRoute(KEY_ENDPOINTS.verifyAudit, "operator", async () => authority.verifyAudit()),
  ];
}

function auditView(record: AuditRecord): AuditRecordView {
  const { sequence, atMs, by, action, subject, detail, previousHash } = record;
  const known = Object.entries(detail ?? {}).map(([name, value]): [string, DetailValue] => [
    name,
    typeof value === "object" ? [...value] : value,
  ]);
  const view = { sequence, atMs, by, action, subject, previousHash };
  return detail === undefined ? view : { ...view, detail: Object.fromEntries(known) };
}

type DetailValue = string | number | string[];

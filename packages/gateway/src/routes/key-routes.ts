/** API keys: made, listed, revoked; by the operator alone. */
import type { ApiKeyRecord } from "@hearthmesh/collective";
import { parseDurationMs } from "@hearthmesh/core";
import { type ApiKeyView, KEY_ENDPOINTS } from "../contracts/keys.js";
import type { Caller } from "../server/policy.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";

export function keyRoutes(services: GatewayServices): Route[] {
  const { apiKeys } = services.authority;
  const view = (record: ApiKeyRecord) => keyView(services, record);
  return [
    defineRoute(KEY_ENDPOINTS.createKey, "operator", async ({ body, caller }) => {
      const { validity, ...rest } = body;
      const validityMs = parseDurationMs(validity);
      const { record, text } = await apiKeys.create(actorOf(caller), { ...rest, validityMs });
      return { key: text, ...view(record) };
    }),
    defineRoute(KEY_ENDPOINTS.keys, "operator", async () => ({ keys: apiKeys.list().map(view) })),
    defineRoute(KEY_ENDPOINTS.revokeKey, "operator", async ({ params, caller }) => {
      return { revoked: view(await apiKeys.revoke(actorOf(caller), params.key)) };
    }),
  ];
}

/** For the audit trail: the key when one was used, else the certificate's holder. */
export function actorOf({ principal, keyId }: Caller) {
  return keyId === undefined ? { principal } : { principal, keyId };
}

function keyView({ authority, clock }: GatewayServices, record: ApiKeyRecord): ApiKeyView {
  const { id, name, scopes, allowIps, notAfterMs, createdAtMs, createdBy, revokedAtMs, ai } =
    record;
  const lastUsedAtMs = authority.apiKeys.lastUsedAtMs(id);
  const isOver = clock.nowMs() > notAfterMs;
  return {
    id,
    name,
    state: revokedAtMs !== undefined ? "revoked" : isOver ? "expired" : "open",
    scopes: [...scopes],
    allowIps: [...allowIps],
    notAfterMs,
    createdAtMs,
    createdBy,
    ...(ai === undefined ? {} : { ai }),
    ...(lastUsedAtMs === undefined ? {} : { lastUsedAtMs }),
    ...(revokedAtMs === undefined ? {} : { revokedAtMs }),
  };
}

/**
 * One member speaks to another: takes its code, exchanges bundles, says farewell. For coordinators,
 * which show their own certificate; the other side is known by the CAs of its own domain alone.
 */
import type { PeerRedemption } from "@hearthmesh/collective";
import type { Clock } from "@hearthmesh/core";
import type { BundleResponse, FarewellResponse } from "@hearthmesh/gateway/contracts";
import type { InviteCode, TrustBundle } from "@hearthmesh/identity";
import { readJson } from "./answers.js";
import { ApiClient, type Credentials } from "./api-client.js";
import { atFirstGood, postVerified, probePinned } from "./enrol.js";

/** For one request to another member: it may be away, and others wait. */
const IDLE_TIMEOUT_MS = 15_000;

/**
 * Redeems a peering code at the first of its addresses where the pinned CA answers; the secret is
 * sent only there. Answers with the bundle of the other member, which the caller has to verify.
 * Throws `MESH_PIN_MISMATCH`, `MESH_UNREACHABLE`, and what the other member said.
 */
export function redeemPeering(
  code: InviteCode,
  redemption: PeerRedemption,
  { clock, signal }: { clock: Clock; signal?: AbortSignal | undefined },
): Promise<unknown> {
  return atFirstGood(code.endpoints, signal, async (endpoint) => {
    const { caCertificatePem } = await probePinned(endpoint, code, { clock, signal });
    const answer = await postVerified<BundleResponse>(
      endpoint,
      "/enrol/peer",
      redemption,
      caCertificatePem,
      clock,
      signal,
    );
    return answer.bundle;
  });
}

export interface OtherMember {
  readonly trustDomain: TrustBundle["trustDomain"];
  readonly caCertificatesPem: readonly string[];
  readonly coordinators: readonly { readonly apiAddresses: readonly string[] }[];
}

export interface SpeakOptions {
  /** The own certificate, as a coordinator. */
  readonly credentials: Credentials;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

/** Hands our bundle over and answers with that of the other member, not verified yet. */
export async function exchangeBundles(
  member: OtherMember,
  bundle: object,
  options: SpeakOptions,
): Promise<unknown> {
  const body = JSON.stringify({ bundle });
  const request = { method: "PUT", path: "/api/peers/bundle", body };
  return (await ask<BundleResponse>(member, request, options)).bundle;
}

/** Says that this member is no peer any longer. */
export async function sayFarewell(member: OtherMember, options: SpeakOptions): Promise<void> {
  const request = { method: "POST", path: "/api/peers/farewell", body: "{}" };
  await ask<FarewellResponse>(member, request, options);
}

async function ask<Answer>(
  member: OtherMember,
  request: { method: string; path: string; body: string },
  { credentials, clock, signal }: SpeakOptions,
): Promise<Answer> {
  const { trustDomain, caCertificatesPem, coordinators } = member;
  const addresses = [...new Set(coordinators.flatMap(({ apiAddresses }) => apiAddresses))];
  const bundle: TrustBundle = { trustDomain, sequence: 0, caCertificatesPem };
  const api = new ApiClient({ addresses, credentials, bundle, clock });
  try {
    const headers = { "content-type": "application/json" };
    const answer = await api.send({
      ...request,
      headers,
      signal,
      idleTimeoutMs: IDLE_TIMEOUT_MS,
      isRepeatable: true,
    });
    return await readJson<Answer>(answer);
  } finally {
    api.close();
  }
}

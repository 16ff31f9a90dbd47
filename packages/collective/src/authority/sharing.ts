/**
 * What a person may pass on. Only what it may do itself, only where it has the right to share, only
 * for a while, and not the right to share: whom it invites cannot invite others.
 */
import { limits, MeshError } from "@hearthmesh/core";
import { evaluateGrants, findGrantExcess, type Grant } from "@hearthmesh/identity";
import { keyGrants } from "../key-value/access.js";

/**
 * The grants as they go into the invite: each with an end, at most `SHARED_GRANT_VALIDITY_MS_MAX`
 * from now and no later than the giver's own. `MESH_FORBIDDEN` when the giver may not.
 */
export function boundSharedGrants(
  own: readonly Grant[],
  requested: readonly Grant[],
  nowMs: number,
): Grant[] {
  const sharesOn = requested.find(
    (grant) => grant.effect === "allow" && grant.rights.includes("share"),
  );
  if (sharesOn !== undefined) {
    throw new MeshError("MESH_FORBIDDEN", {
      message: `the right to share ${sharesOn.path} cannot be passed on`,
      hint: "Ask the operator to invite somebody who may share.",
    });
  }
  const bounded = requested.map((grant) => bound(own, grant, nowMs));
  // Keys are a realm of their own: what is held on `/` says nothing about them.
  const excess =
    findGrantExcess(own, bounded, nowMs, true) ??
    findGrantExcess(keyGrants(own), keyGrants(bounded), nowMs, true);
  if (excess === undefined) return bounded;
  throw new MeshError("MESH_FORBIDDEN", {
    message: `you may not pass on ${excess.right} on ${excess.path}`,
    hint: "You can share what you may do yourself, where you have the right `share`.",
    details: { path: excess.path, right: excess.right },
  });
}

function bound(own: readonly Grant[], grant: Grant, nowMs: number): Grant {
  if (grant.effect === "deny") return grant;
  const ends = [...grant.rights, "share" as const].map(
    (right) => evaluateGrants(own, grant.path, right, nowMs).grant?.notAfterMs,
  );
  const all = [grant.notAfterMs, nowMs + limits.SHARED_GRANT_VALIDITY_MS_MAX, ...ends];
  const notAfterMs = Math.min(...all.filter((end) => end !== undefined));
  return { ...grant, notAfterMs };
}

/**
 * `/.copies`: what other members keep here, each in `/.copies/<its trust domain>`.
 *
 * Nobody has a grant on it, and no grant from above reaches it: only the coordinator of that very
 * domain has what lies there, to write while an offer stands, to read and remove also afterwards.
 * The operator here may look at it and remove it, and writes nothing but the directory itself. It
 * is not shown in the listing of `/`.
 */
import { MeshError, type TrustDomain } from "@hearthmesh/core";
import type { Principal, Right } from "@hearthmesh/identity";
import type { AccessListener } from "../authority/access-news.js";
import type { AccessPolicy } from "../coordinator/access.js";

const ROOT = "/.copies";

export interface CopyRoom {
  readonly withdrawnAtMs?: number;
}

export class CopiesAccess implements AccessPolicy {
  readonly #policy: AccessPolicy;
  readonly #roomOf: (trustDomain: TrustDomain) => CopyRoom | undefined;

  /** `roomOf` is what was offered to a domain; undefined when nothing ever was. */
  constructor(policy: AccessPolicy, roomOf: (domain: TrustDomain) => CopyRoom | undefined) {
    this.#policy = policy;
    this.#roomOf = roomOf;
  }

  authorize(principal: Principal, path: string, right: Right): void {
    if (!isInCopies(path)) {
      this.#policy.authorize(principal, path, right);
      return;
    }
    // Whoever is nobody any more is refused as everywhere else, and not as a stranger here.
    this.#policy.visible(principal, "/");
    if (!this.#mayDo(principal, path, right)) throw refusal(principal, path, right);
  }

  visible(principal: Principal, path: string): boolean {
    if (!isInCopies(path)) return this.#policy.visible(principal, path);
    return path !== ROOT && this.#mayDo(principal, path, "read");
  }

  deniedBelow(principal: Principal, path: string, right: Right): boolean {
    if (isInCopies(path)) return false;
    return this.#policy.deniedBelow?.(principal, path, right) ?? false;
  }

  rightEndsAtMs(principal: Principal, path: string, right: Right): number | undefined {
    if (isInCopies(path)) return undefined;
    return this.#policy.rightEndsAtMs?.(principal, path, right);
  }

  onAccessChanged(listener: AccessListener): () => void {
    return this.#policy.onAccessChanged?.(listener) ?? (() => undefined);
  }

  #mayDo(principal: Principal, path: string, right: Right): boolean {
    if (principal.kind === "coordinator") return right !== "write" || path.split("/").length <= 3;
    if (principal.kind !== "foreign" || principal.foreignKind !== "coordinator") return false;
    const own = `${ROOT}/${principal.trustDomain}`;
    if (path !== own && !path.startsWith(`${own}/`)) return false;
    const room = this.#roomOf(principal.trustDomain);
    if (room === undefined || right === "share") return false;
    return right !== "write" || room.withdrawnAtMs === undefined;
  }
}

export function isInCopies(path: string): boolean {
  return path === ROOT || path.startsWith(`${ROOT}/`);
}

function refusal(principal: Principal, path: string, right: Right): MeshError {
  return new MeshError("MESH_FORBIDDEN", {
    message: `${principal.name} may not ${right} ${path}: what a member keeps here is its own`,
    hint: "`mesh quota offer` gives a peer room for its copies.",
    details: { principal: principal.spiffeId, path, right },
  });
}

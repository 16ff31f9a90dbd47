/** The access policy of tests: the real evaluation of grants, over grants that are set at will. */
import { MeshError, type NodeId, type TrustDomain } from "@hearthmesh/core";
import {
  evaluateGrants,
  type Grant,
  isDeniedBelow,
  isVisible,
  type Principal,
  type PrincipalKind,
  parseGrant,
  type Right,
} from "@hearthmesh/identity";
import { type AccessListener, AccessNews } from "../../authority/access-news.js";
import type { AccessPolicy } from "../access.js";

export class GrantPolicy implements AccessPolicy {
  readonly #grants = new Map<string, readonly Grant[]>();
  readonly #news = new AccessNews();

  /** Grants as text, such as `/shared:read+write` or `!/shared/private:read`. */
  grant(principal: Principal, ...texts: readonly string[]): void {
    this.#grants.set(principal.spiffeId, texts.map(parseGrant));
    this.#news.tell({ concerns: ({ spiffeId }) => spiffeId === principal.spiffeId });
  }

  authorize(principal: Principal, path: string, right: Right): void {
    const { allowed, reason } = evaluateGrants(this.#of(principal), path, right, 0);
    if (!allowed) throw new MeshError("MESH_FORBIDDEN", { message: reason });
  }

  visible(principal: Principal, path: string): boolean {
    return isVisible(this.#of(principal), path, 0);
  }

  deniedBelow(principal: Principal, path: string, right: Right): boolean {
    return isDeniedBelow(this.#of(principal), path, right, 0);
  }

  rightEndsAtMs(principal: Principal, path: string, right: Right): number | undefined {
    return evaluateGrants(this.#of(principal), path, right, 0).grant?.notAfterMs;
  }

  onAccessChanged(listener: AccessListener): () => void {
    return this.#news.onChange(listener);
  }

  #of(principal: Principal): readonly Grant[] {
    return this.#grants.get(principal.spiffeId) ?? [];
  }
}

export function testPrincipal(kind: PrincipalKind, name: string, nodeId: NodeId): Principal {
  return {
    kind,
    spiffeId: `spiffe://home.alice/${kind}/${name}`,
    trustDomain: "home.alice" as TrustDomain,
    name,
    nodeId,
    serial: "01",
    notAfterMs: Number.MAX_SAFE_INTEGER,
  };
}

/**
 * Which keys and locks a caller may see and change.
 *
 * Keys are a realm of their own beside the files: only grants on `/kv` and below it count. A grant
 * on `/` is one for all files; it says nothing about keys. Below `/kv` the rules are those of all
 * grants: the nearest decides, deny wins, nothing is allowed without one. A grant on `/kv/app`
 * covers the key `app` and the keys `app/...`; one on `/kv/locks/x` the lock `x` and `x/...`.
 * Coordinators, and so the operator, may do everything.
 *
 * | operation                            | right                                            |
 * |--------------------------------------|--------------------------------------------------|
 * | get, list, watch, a compare          | read; other keys are as if they were not there   |
 * | put                                  | write                                            |
 * | delete                               | delete                                           |
 * | delete a prefix                      | delete, on everything that can be below it       |
 * | acquire, renew a lock                | write                                            |
 * | inspect, list locks; use as a fence  | read                                             |
 */
import { type Clock, MeshError } from "@hearthmesh/core";
import {
  evaluateGrants,
  type Grant,
  hasEnded,
  isDeniedBelow,
  type Principal,
  type Right,
} from "@hearthmesh/identity";
import { directoryPath, KV_ROOT, pathOf } from "./keys.js";

/** What this needs of the authority. */
export interface KeyValuePolicy {
  /** Throws when the principal is not who it was: `MESH_CERT_REVOKED`, `MESH_CERT_EXPIRED`. */
  check(principal: Principal): void;
  grantsOf(principal: Principal): readonly Grant[];
}

/** A part of the keys in their order: one key, or all with a prefix. */
export interface KeySpan {
  readonly text: string;
  readonly isPrefix: boolean;
}

/** The grants that say something about keys. */
export function keyGrants(grants: readonly Grant[]): Grant[] {
  return grants.filter(({ path }) => path === KV_ROOT || path.startsWith(`${KV_ROOT}/`));
}

/** One caller's rights, as they are now; make a new one for each operation. */
export class KeyAccess {
  readonly principal: Principal;
  readonly #grants: readonly Grant[];
  readonly #nowMs: number;

  /** Throws as `policy.check` does. */
  constructor(policy: KeyValuePolicy, clock: Clock, principal: Principal) {
    policy.check(principal);
    this.principal = principal;
    this.#nowMs = clock.nowMs();
    this.#grants = this.isOperator ? [] : keyGrants(policy.grantsOf(principal));
  }

  get isOperator(): boolean {
    return this.principal.kind === "coordinator";
  }

  may(path: string, right: Right): boolean {
    return this.isOperator || evaluateGrants(this.#grants, path, right, this.#nowMs).allowed;
  }

  /** Throws `MESH_FORBIDDEN`. */
  require(path: string, right: Right): void {
    if (!this.may(path, right)) throw this.#forbidden(path, right);
  }

  /** The right somewhere: at least one grant gives it. `MESH_FORBIDDEN`. */
  requireSome(right: Right): void {
    const some = this.#grants.some(({ path }) => this.may(path, right));
    if (!this.isOperator && !some) throw this.#forbidden(KV_ROOT, right);
  }

  /** For all keys with this prefix of whole parts, those to come included. */
  requireBelow(prefix: string, right: Right): void {
    const path = prefix === "" ? KV_ROOT : directoryPath(prefix);
    this.require(path, right);
    if (isDeniedBelow(this.#grants, path, right, this.#nowMs)) {
      throw new MeshError("MESH_FORBIDDEN", {
        message: `${right} is not allowed on a part of ${path}`,
      });
    }
  }

  /**
   * Where keys with the prefix may be that the caller may read, in the order of keys, without
   * overlap; a denied part may be among them. `MESH_FORBIDDEN` when there is nowhere.
   */
  readableSpans(prefix: string): KeySpan[] {
    if (this.isOperator) return [{ text: prefix, isPrefix: true }];
    const spans = this.#grants
      .filter((grant) => grant.effect === "allow" && grant.rights.includes("read"))
      .filter((grant) => !hasEnded(grant, this.#nowMs))
      .filter(({ path }) => this.may(path, "read"))
      .flatMap(({ path }) => spansOf(path.slice(KV_ROOT.length + 1)))
      .flatMap((span) => within(span, prefix));
    if (spans.length === 0) throw this.#forbidden(pathOf(prefix), "read");
    return withoutOverlap(spans);
  }

  #forbidden(path: string, right: Right): MeshError {
    const { name, spiffeId } = this.principal;
    return new MeshError("MESH_FORBIDDEN", {
      message: `${name} may not ${right} ${path}`,
      hint: `Ask the operator for a grant on keys: --grant "${path}:${right}".`,
      details: { principal: spiffeId, path, right },
    });
  }
}

function spansOf(granted: string): KeySpan[] {
  if (granted === "") return [{ text: "", isPrefix: true }];
  return [
    { text: granted, isPrefix: false },
    { text: `${granted}/`, isPrefix: true },
  ];
}

/** The part of a span whose keys have the prefix. */
function within(span: KeySpan, prefix: string): KeySpan[] {
  if (span.text.startsWith(prefix)) return [span];
  return span.isPrefix && prefix.startsWith(span.text) ? [{ text: prefix, isPrefix: true }] : [];
}

function withoutOverlap(spans: readonly KeySpan[]): KeySpan[] {
  const sorted = [...spans].sort(
    (a, b) =>
      Buffer.compare(Buffer.from(a.text), Buffer.from(b.text)) ||
      Number(b.isPrefix) - Number(a.isPrefix),
  );
  const kept: KeySpan[] = [];
  for (const span of sorted) {
    const last = kept.at(-1);
    const covered =
      last !== undefined &&
      (last.isPrefix ? span.text.startsWith(last.text) : span.text === last.text && !span.isPrefix);
    if (!covered) kept.push(span);
  }
  return kept;
}

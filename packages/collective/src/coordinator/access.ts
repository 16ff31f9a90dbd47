/**
 * Who may do what with a path. The rule of the whole coordinator: a caller is judged by the path's
 * text before anything is looked up, so that somebody without any right on a path cannot learn
 * whether it exists.
 *
 * | operation                        | rights                                               |
 * |----------------------------------|------------------------------------------------------|
 * | stat, open, list                 | read; the way to a grant of any right may be seen    |
 * | put, begin, segment, commit      | write                                                |
 * | mkdir                            | write on every directory that is made                |
 * | remove                           | delete                                               |
 * | move                             | read and delete on the source, write on the target   |
 */
import { MeshError } from "@hearthmesh/core";
import type { Principal, Right } from "@hearthmesh/identity";
import type { AccessListener } from "../authority/access-news.js";
import type { MeshPath } from "./paths.js";

/** What the coordinator asks of the keeper of the grants. Paths are in their one spelling. */
export interface AccessPolicy {
  /** Throws `MESH_FORBIDDEN` unless the principal has the right on the path. */
  authorize(principal: Principal, path: string, right: Right): void;
  /** Whether it may read the path, or a grant of any right is on the path or below it. */
  visible(principal: Principal, path: string): boolean;
  /**
   * Whether the right is taken away somewhere below the path. Without this method nothing is: then
   * a directory is moved or removed whole when the right holds on the directory itself.
   */
  deniedBelow?(principal: Principal, path: string, right: Right): boolean;
  /** Until when a right holds that the principal has. Without this method nothing ends. */
  rightEndsAtMs?(principal: Principal, path: string, right: Right): number | undefined;
  /**
   * Told when somebody may do more or less than before; returns how to stop. Without this method
   * nothing changes while it is under way.
   */
  onAccessChanged?(listener: AccessListener): () => void;
}

/** One caller's view of the policy. */
export class Access {
  readonly principal: Principal;
  readonly #policy: AccessPolicy;

  constructor(policy: AccessPolicy, principal: Principal) {
    this.#policy = policy;
    this.principal = principal;
  }

  require(path: MeshPath, ...rights: readonly Right[]): void {
    for (const right of rights) this.#policy.authorize(this.principal, path.text, right);
  }

  /**
   * For what goes on after the answer: requires the right, and says until when it holds at the
   * most. To be asked in the very moment in which the ticket is made.
   */
  requireUntil(path: MeshPath, right: Right): number | undefined {
    this.require(path, right);
    return this.#policy.rightEndsAtMs?.(this.principal, path.text, right);
  }

  /**
   * For looking at a directory: `whole` when the caller may read it, `way` when it only leads to
   * something granted. Throws `MESH_FORBIDDEN` when it is neither.
   */
  view(path: MeshPath): "whole" | "way" {
    try {
      this.#policy.authorize(this.principal, path.text, "read");
      return "whole";
    } catch (error) {
      if (this.#policy.visible(this.principal, path.text)) return "way";
      throw error;
    }
  }

  visible(path: string): boolean {
    return this.#policy.visible(this.principal, path);
  }

  /** For an operation on a whole directory: the right must hold on everything below it too. */
  requireBelow(path: MeshPath, ...rights: readonly Right[]): void {
    for (const right of rights) {
      if (this.#policy.deniedBelow?.(this.principal, path.text, right) === true) {
        throw new MeshError("MESH_FORBIDDEN", {
          message: `${right} is not allowed on a part of ${path.text}`,
        });
      }
    }
  }
}

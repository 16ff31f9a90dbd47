/** The policies of a member: few, all in memory, written by the leading coordinator alone. */
import { limits, MeshError } from "@hearthmesh/core";
import { type Operation, put, remove, type Store } from "@hearthmesh/store";
import { keys } from "../coordinator/keys.js";
import { decodeJson, encodeJson } from "../coordinator/records.js";
import { isInCopies } from "./copies-access.js";
import { type CopyPolicy, liesIn, movedPath, nearestPolicy } from "./policy.js";

export class PolicyBook {
  readonly #store: Store;
  readonly #policies = new Map<string, CopyPolicy>();

  constructor(store: Store) {
    this.#store = store;
  }

  async load(): Promise<void> {
    this.#policies.clear();
    const { entries } = await this.#store.range(keys.policies, { limit: limits.COPY_POLICIES_MAX });
    for (const { value } of entries) this.#keep(decodeJson<CopyPolicy>(value));
  }

  get isEmpty(): boolean {
    return this.#policies.size === 0;
  }

  /** By path. */
  list(): CopyPolicy[] {
    return [...this.#policies.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** None for what friends keep here: it is theirs to copy. */
  nearest(path: string): CopyPolicy | undefined {
    if (isInCopies(path)) return undefined;
    return nearestPolicy(this.#policies.values(), path);
  }

  async set(policy: CopyPolicy): Promise<void> {
    const isNew = !this.#policies.has(policy.path);
    if (isNew && this.#policies.size >= limits.COPY_POLICIES_MAX) {
      throw new MeshError("MESH_LIMIT", {
        message: `there are ${limits.COPY_POLICIES_MAX} policies`,
        details: { limit: limits.COPY_POLICIES_MAX },
      });
    }
    await this.#store.transact({ success: [put(keys.policy(policy.path), encodeJson(policy))] });
    this.#keep(policy);
  }

  /** `MESH_NOT_FOUND` when none hangs on exactly this path. */
  async remove(path: string): Promise<CopyPolicy> {
    const policy = this.#policies.get(path);
    if (policy === undefined) {
      throw new MeshError("MESH_NOT_FOUND", {
        message: `no policy hangs on ${path}`,
        hint: "`mesh policy list` shows them all.",
      });
    }
    await this.#store.transact({ success: [remove(keys.policy(path))] });
    this.#policies.delete(path);
    return policy;
  }

  /** What a move of a directory writes in its own transaction. */
  moving(from: string, to: string): Operation[] {
    return this.#below(from).flatMap((policy) => {
      const moved = { ...policy, path: movedPath(policy.path, from, to) };
      return [remove(keys.policy(policy.path)), put(keys.policy(moved.path), encodeJson(moved))];
    });
  }

  /** The transaction has been written. */
  moved(from: string, to: string): void {
    const policies = this.#below(from);
    for (const { path } of policies) this.#policies.delete(path);
    for (const policy of policies) {
      this.#keep({ ...policy, path: movedPath(policy.path, from, to) });
    }
  }

  #below(path: string): CopyPolicy[] {
    return [...this.#policies.values()].filter((policy) => liesIn(path, policy.path));
  }

  #keep(policy: CopyPolicy): void {
    this.#policies.set(policy.path, policy);
  }
}

/**
 * The machines that ask to join a pool and wait for its admin. Pure: a bounded list with times.
 *
 * A request belongs to a key: asked again with it, it is the same one, whatever else it says. It
 * ends `JOIN_REQUEST_MS` after it came, decided or not; a decision is kept until then, so that a
 * newcomer that lost the answer hears it. Two with the same name are told apart by their words.
 */
import { MeshError, type NodeId } from "@hearthmesh/core";
import { fingerprintWords, type NodeRole } from "@hearthmesh/identity";
import { JOIN_REQUEST_MS, JOIN_REQUESTS_MAX, JOIN_REQUESTS_PER_ADDRESS_MAX } from "./limits.js";

export interface JoinRequest {
  readonly nodeId: NodeId;
  /** As the machine calls itself: small letters, digits and hyphens. */
  readonly name: string;
  readonly roles: readonly NodeRole[];
  /** A certificate request that its key signed. */
  readonly csrPem: string;
  /** Where it came from. */
  readonly address: string;
}

export interface KeptRequest extends JoinRequest {
  readonly words: string;
  readonly sinceMs: number;
  readonly state: "waiting" | "approved" | "refused";
}

/** The four words for a key, the same on both screens. */
export function wordsOfNode(nodeId: NodeId): string {
  return fingerprintWords(Buffer.from(nodeId, "utf8"));
}

/** Words and whole node ids are of keys alone, whatever a machine calls itself. */
const OF_A_KEY = /^(?:[a-z]{6}(?:-[a-z]{6}){3}|[a-z2-7]{52})$/;

/** Characters of a node id that name it, when no other one begins so. */
const NODE_ID_BEGINNING_MIN = 8;

export class JoinRequests {
  readonly #kept = new Map<NodeId, KeptRequest>();

  /** Times are monotonic. `MESH_LIMIT` when too many wait, of all or from one address. */
  ask(request: JoinRequest, nowMs: number): KeptRequest {
    this.#forget(nowMs);
    const known = this.#kept.get(request.nodeId);
    if (known !== undefined) return known;
    const all = [...this.#kept.values()];
    const here = all.filter(({ address }) => address === request.address).length;
    if (all.length >= JOIN_REQUESTS_MAX || here >= JOIN_REQUESTS_PER_ADDRESS_MAX) {
      throw new MeshError("MESH_LIMIT", {
        message: "too many machines ask to join this pool",
        hint: "The admin decides about those that wait: `mesh pool requests`.",
      });
    }
    const words = wordsOfNode(request.nodeId);
    const kept: KeptRequest = { ...request, words, sinceMs: nowMs, state: "waiting" };
    this.#kept.set(request.nodeId, kept);
    return kept;
  }

  get(nodeId: NodeId, nowMs: number): KeptRequest | undefined {
    this.#forget(nowMs);
    return this.#kept.get(nodeId);
  }

  /** Those that wait, the oldest first. */
  waiting(nowMs: number): KeptRequest[] {
    this.#forget(nowMs);
    return [...this.#kept.values()].filter(({ state }) => state === "waiting");
  }

  /**
   * The waiting request that is meant: by its words, its name, or the beginning of its node id.
   * `MESH_POOL_REQUEST_UNKNOWN`; `MESH_BAD_REQUEST` when several have the name.
   */
  find(text: string, nowMs: number): KeptRequest {
    const wanted = text.trim().toLowerCase();
    const isId = (nodeId: NodeId) =>
      wanted.length >= NODE_ID_BEGINNING_MIN && nodeId.startsWith(wanted);
    const all = this.waiting(nowMs);
    const byKey = all.filter(({ nodeId, words }) => words === wanted || isId(nodeId));
    const isOfKey = byKey.length > 0 || OF_A_KEY.test(wanted);
    const found = isOfKey ? byKey : all.filter(({ name }) => name === wanted);
    const [only, ...others] = found;
    if (only === undefined) throw new MeshError("MESH_POOL_REQUEST_UNKNOWN");
    if (others.length === 0) return only;
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `${found.length} machines are meant by ${JSON.stringify(wanted.slice(0, 64))}`,
      hint: `Say which by its words: ${found.map(({ words }) => words).join(", ")}.`,
    });
  }

  /** Notes what was decided; nothing when the request has ended meanwhile. */
  decide(nodeId: NodeId, state: "approved" | "refused"): void {
    const known = this.#kept.get(nodeId);
    if (known !== undefined) this.#kept.set(nodeId, { ...known, state });
  }

  /** It may ask anew. */
  forget(nodeId: NodeId): void {
    this.#kept.delete(nodeId);
  }

  #forget(nowMs: number): void {
    for (const [nodeId, { sinceMs }] of this.#kept) {
      if (nowMs - sinceMs > JOIN_REQUEST_MS) this.#kept.delete(nodeId);
    }
  }
}

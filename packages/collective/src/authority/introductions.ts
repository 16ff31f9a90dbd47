/**
 * Nodes of other meshes that somebody introduced here, each with the key that it proved. What an
 * introduction allows comes from the key of whoever made it: nothing by default, the services of
 * this mesh when that key may use them itself. It never makes a node a part of this mesh.
 */
import {
  canonicalJson,
  limits,
  type MemberId,
  MeshError,
  type NodeId,
  type TrustDomain,
} from "@hearthmesh/core";
import { type Actor, actorText } from "./api-keys.js";
import { ALLOW_LIST_PREFIX, INTRODUCTION_PREFIX } from "./authority-keys.js";
import type { AuthorityContext } from "./context.js";
import { type NodeIdentityClaim, nodeFingerprint } from "./introductions-proof.js";
import { type Decision, put, unchanged } from "./ledger.js";
import type { Versioned } from "./records.js";

/** What an introduced node may do here. */
export type IntroductionScope = "services";

export interface IntroductionRecord extends Versioned {
  readonly nodeId: NodeId;
  /** As it was given here; unique among the nodes that are known here. */
  readonly name: string;
  /** As the node calls itself. */
  readonly reportedName: string;
  readonly url: string;
  /** As they were given here. */
  readonly capabilities: readonly string[];
  /** As the node said when it was introduced. */
  readonly reportedCapabilities: readonly string[];
  readonly memberId: MemberId;
  readonly trustDomain: TrustDomain;
  readonly caCertificatePem: string;
  readonly fingerprint: string;
  readonly linkAddresses: readonly string[];
  readonly version: string;
  readonly scopes: readonly IntroductionScope[];
  /** The key that was used; absent when the operator did it. */
  readonly keyId?: string;
  /** SPIFFE id, or `key/<id>`. */
  readonly introducedBy: string;
  /** When it was introduced first. */
  readonly atMs: number;
  readonly updatedAtMs: number;
}

export interface IntroductionRequest {
  readonly url: string;
  readonly name: string;
  readonly capabilities: readonly string[];
  readonly scopes: readonly IntroductionScope[];
  /** What the node proved at that URL. */
  readonly proven: NodeIdentityClaim;
}

export class Introductions {
  readonly #context: AuthorityContext;
  readonly #listeners = new Set<(nodeId: NodeId) => void>();

  constructor(context: AuthorityContext) {
    this.#context = context;
  }

  /** Told of each node that was introduced, updated or removed here; answers how to stop. */
  onChange(listener: (nodeId: NodeId) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** By name. */
  list(): IntroductionRecord[] {
    const records = this.#context.records.all<IntroductionRecord>(INTRODUCTION_PREFIX);
    return records.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get(nodeId: NodeId): IntroductionRecord | undefined {
    const key = INTRODUCTION_PREFIX + nodeId;
    return this.#context.records.get<IntroductionRecord>(INTRODUCTION_PREFIX, key);
  }

  /**
   * Takes a node in that proved itself, or brings what is known of it up to date.
   * `MESH_INTRODUCTION_FAILED` when its URL belongs to another key, or its key to another member:
   * neither is replaced before somebody removes the old one. `MESH_LIMIT`.
   */
  async add(
    by: Actor,
    request: IntroductionRequest,
  ): Promise<{ record: IntroductionRecord; isNew: boolean }> {
    const { ledger, log } = this.#context;
    const added = await ledger.change(() => this.#decide(by, request));
    const { nodeId, name } = added.record;
    log.info("a node was introduced", { nodeId, nodeName: name, principal: actorText(by) });
    this.#tell(nodeId);
    return added;
  }

  /** Forgets the node and its allow-list. `MESH_NOT_FOUND`. */
  async remove(by: Actor, nodeId: NodeId): Promise<IntroductionRecord> {
    const { ledger } = this.#context;
    const key = INTRODUCTION_PREFIX + nodeId;
    const removed = await ledger.change(async () => {
      const read = await ledger.read<IntroductionRecord>(key);
      const { record } = read;
      if (record === undefined) {
        throw new MeshError("MESH_NOT_FOUND", { message: "no node of this id was introduced" });
      }
      const { name, url } = record;
      const audit = { by: actorText(by), action: "node.remove" as const };
      return {
        result: record,
        change: {
          compare: [unchanged(key, read)],
          operations: [
            { type: "delete" as const, key },
            { type: "delete" as const, key: ALLOW_LIST_PREFIX + nodeId },
          ],
          audit: { ...audit, subject: `node/${nodeId}`, detail: { name, url } },
        },
      };
    });
    this.#tell(nodeId);
    return removed;
  }

  #tell(nodeId: NodeId): void {
    for (const listener of this.#listeners) listener(nodeId);
  }

  async #decide(
    by: Actor,
    request: IntroductionRequest,
  ): Promise<Decision<{ record: IntroductionRecord; isNew: boolean }>> {
    const { ledger, clock } = this.#context;
    const { nodeId, memberId } = request.proven;
    const key = INTRODUCTION_PREFIX + nodeId;
    const read = await ledger.read<IntroductionRecord>(key);
    this.#refuseContradiction(request, read.record);
    if (read.record === undefined) this.#refuseTooMany();
    const name = this.#freeName(request.name, nodeId);
    const record = recordOf({ ...request, name }, by, clock.nowMs(), read.record);
    if (read.record !== undefined && isSame(read.record, record)) {
      return { result: { record: read.record, isNew: false } };
    }
    const { url, capabilities, scopes, fingerprint, introducedBy } = record;
    const detail = { name, url, capabilities, scopes, memberId, fingerprint };
    const audit = { by: introducedBy, action: "node.introduce" as const };
    return {
      result: { record, isNew: read.record === undefined },
      change: {
        compare: [unchanged(key, read)],
        operations: [put(key, record)],
        audit: { ...audit, subject: `node/${nodeId}`, detail },
      },
    };
  }

  #refuseContradiction(
    { url, proven }: IntroductionRequest,
    known: IntroductionRecord | undefined,
  ): void {
    const there = this.list().find((record) => record.url === url);
    if (there !== undefined && there.nodeId !== proven.nodeId) {
      throw new MeshError("MESH_INTRODUCTION_FAILED", {
        message: `another key answers at this URL than that of ${there.name}`,
        hint: `If the node was set up anew, first: \`mesh node remove ${there.name}\`.`,
        details: { known: there.fingerprint, answered: nodeFingerprint(proven.nodeId) },
      });
    }
    if (known !== undefined && known.memberId !== proven.memberId) {
      throw new MeshError("MESH_INTRODUCTION_FAILED", {
        message: `${known.name} was a node of the member ${known.memberId} and is of another now`,
        hint: `If that is right, remove it first: \`mesh node remove ${known.name}\`.`,
      });
    }
  }

  #refuseTooMany(): void {
    if (this.list().length < limits.INTRODUCTIONS_MAX) return;
    throw new MeshError("MESH_LIMIT", {
      message: `there are ${limits.INTRODUCTIONS_MAX} introduced nodes`,
      hint: "Remove those that are gone: `mesh node introduced`, `mesh node remove`.",
    });
  }

  /** The name, or with a number behind it when another node has it. */
  #freeName(wanted: string, nodeId: NodeId): string {
    const { cache } = this.#context;
    const machines = cache.all().filter((one) => one.kind !== "person");
    const taken = new Set<string>([
      ...machines.filter((one) => !cache.isRevoked(one.nodeId)).map((one) => one.name),
      ...this.list().flatMap((one) => (one.nodeId === nodeId ? [] : [one.name])),
    ]);
    if (!taken.has(wanted)) return wanted;
    for (let number = 2; ; number++) {
      const suffix = `-${number}`;
      const name = `${wanted.slice(0, 63 - suffix.length)}${suffix}`;
      if (!taken.has(name)) return name;
    }
  }
}

function recordOf(
  request: IntroductionRequest,
  by: Actor,
  nowMs: number,
  known: IntroductionRecord | undefined,
): IntroductionRecord {
  const { url, name, capabilities, scopes, proven } = request;
  return {
    v: 1,
    nodeId: proven.nodeId,
    name,
    reportedName: proven.name,
    url,
    capabilities,
    reportedCapabilities: proven.capabilities,
    memberId: proven.memberId,
    trustDomain: proven.trustDomain,
    caCertificatePem: proven.caCertificatePem,
    fingerprint: proven.fingerprint,
    linkAddresses: proven.linkAddresses,
    version: proven.version,
    scopes,
    ...(by.keyId === undefined ? {} : { keyId: by.keyId }),
    introducedBy: actorText(by),
    atMs: known?.atMs ?? nowMs,
    updatedAtMs: nowMs,
  };
}

/** Nothing but the time has changed: repeating an introduction writes nothing. */
function isSame(before: IntroductionRecord, after: IntroductionRecord): boolean {
  const timeless = (record: IntroductionRecord) => canonicalJson({ ...record, updatedAtMs: 0 });
  return timeless(before) === timeless(after);
}

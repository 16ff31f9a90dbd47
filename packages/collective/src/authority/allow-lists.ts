/**
 * From where a node may call: a list of networks for its id, of this member or an introduced one.
 * Without a list every address is good. It narrows what a certificate or a key allows, and never
 * stands for one.
 */
import { MeshError, type NodeId } from "@hearthmesh/core";
import { NetworkList, parseNetworks } from "./allow-list-networks.js";
import { type Actor, actorText } from "./api-keys.js";
import { ALLOW_LIST_PREFIX } from "./authority-keys.js";
import type { AuthorityContext } from "./context.js";
import { put, unchanged } from "./ledger.js";
import type { Versioned } from "./records.js";

export interface AllowListRecord extends Versioned {
  readonly nodeId: NodeId;
  /** Never empty: a list that allows everything is deleted. */
  readonly networks: readonly string[];
  readonly setAtMs: number;
  readonly setBy: string;
}

export class AllowLists {
  readonly #context: AuthorityContext;
  readonly #lists = new WeakMap<AllowListRecord, NetworkList>();

  constructor(context: AuthorityContext) {
    this.#context = context;
  }

  /** Empty when the node may call from everywhere. */
  networksOf(nodeId: NodeId): readonly string[] {
    return this.#record(nodeId)?.networks ?? [];
  }

  /** Whether the node may call from this address. */
  allows(nodeId: NodeId, address: string): boolean {
    const record = this.#record(nodeId);
    if (record === undefined) return true;
    const known = this.#lists.get(record);
    if (known !== undefined) return known.allows(address);
    const made = new NetworkList(record.networks);
    this.#lists.set(record, made);
    return made.allows(address);
  }

  /** `MESH_ADDRESS_REFUSED` unless the node may call from this address. */
  require(nodeId: NodeId, address: string): void {
    if (this.allows(nodeId, address)) return;
    throw new MeshError("MESH_ADDRESS_REFUSED", {
      message: `this node may not call from ${address.slice(0, 64)}`,
      details: { nodeId },
    });
  }

  /** An empty list allows every address. Answers with the networks. `MESH_BAD_REQUEST`. */
  async set(by: Actor, nodeId: NodeId, networks: readonly string[]): Promise<readonly string[]> {
    const { ledger, clock } = this.#context;
    const checked = parseNetworks(networks);
    const key = ALLOW_LIST_PREFIX + nodeId;
    return ledger.change(async () => {
      const read = await ledger.read<AllowListRecord>(key);
      if (read.record === undefined && checked.length === 0) return { result: checked };
      const setBy = actorText(by);
      const record = { v: 1 as const, nodeId, networks: checked, setAtMs: clock.nowMs(), setBy };
      const write =
        checked.length === 0 ? { type: "delete" as const, key } : put(key, record as Versioned);
      const audit = { by: setBy, action: "node.allow" as const, subject: `node/${nodeId}` };
      return {
        result: checked,
        change: {
          compare: [unchanged(key, read)],
          operations: [write],
          audit: { ...audit, detail: { networks: checked } },
        },
      };
    });
  }

  #record(nodeId: NodeId): AllowListRecord | undefined {
    const key = ALLOW_LIST_PREFIX + nodeId;
    return this.#context.records.get<AllowListRecord>(ALLOW_LIST_PREFIX, key);
  }
}

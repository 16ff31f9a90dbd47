/** A member as others see it: its record, with the meta read. */
import type { PeerInfo } from "../ports.js";
import type { MemberState } from "../swim/member-table.js";
import type { NodeRecord } from "../swim/messages.js";
import { decodeNodeMeta, type NodeMeta } from "./node-meta.js";

/** Reads the meta of each record once. */
export class MetaReader {
  readonly #metas = new WeakMap<NodeRecord, { readonly meta: NodeMeta | undefined }>();

  read(record: NodeRecord): NodeMeta | undefined {
    const known = this.#metas.get(record);
    if (known !== undefined) return known.meta;
    const meta = decodeNodeMeta(record.meta);
    this.#metas.set(record, { meta });
    return meta;
  }
}

/** A meta that cannot be read leaves everything empty. */
export function peerInfoOf(
  record: NodeRecord,
  state: MemberState,
  meta: NodeMeta | undefined,
): PeerInfo {
  return {
    nodeId: record.nodeId,
    name: record.name,
    state,
    linkAddresses: meta?.linkAddresses ?? [],
    capabilities: meta?.capabilities ?? [],
    roles: meta?.roles ?? [],
    site: meta?.site ?? "",
    version: meta?.version ?? "",
    relays: meta?.relays ?? false,
    isHub: meta?.isHub ?? false,
  };
}

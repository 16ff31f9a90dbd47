/**
 * Where the coordinators of the member are. Each writes its own contact when it starts; the others,
 * clients and nodes learn it from there. One whose identity was revoked is not named any more.
 */
import { limits, MeshError, type NodeId } from "@hearthmesh/core";
import { COORDINATOR_PREFIX, coordinatorKey } from "./authority-keys.js";
import type { AuthorityContext } from "./context.js";
import { encodeRecord, type Versioned } from "./records.js";

/** Addresses are `host:port`, best first. */
export interface CoordinatorContact {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly apiAddresses: readonly string[];
  readonly linkAddresses: readonly string[];
  readonly enrolmentAddresses: readonly string[];
  /** Of the etcd that it supervises; empty when it has none. */
  readonly storeAddresses: readonly string[];
}

type ContactRecord = Versioned & CoordinatorContact;

export class Coordinators {
  readonly #context: AuthorityContext;

  constructor(context: AuthorityContext) {
    this.#context = context;
  }

  /** By name. */
  list(): CoordinatorContact[] {
    const { records, cache } = this.#context;
    return records
      .all<ContactRecord>(COORDINATOR_PREFIX)
      .filter(({ nodeId }) => !cache.isRevoked(nodeId))
      .map(({ v: _v, ...contact }) => contact)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Writes the contact of this coordinator; nothing when it stands there already. */
  async announce(contact: CoordinatorContact): Promise<void> {
    const { store, records } = this.#context;
    const key = coordinatorKey(contact.nodeId);
    const addresses = [
      contact.apiAddresses,
      contact.linkAddresses,
      contact.enrolmentAddresses,
      contact.storeAddresses,
    ];
    if (addresses.some((list) => list.length > limits.NODE_ADDRESSES_MAX)) {
      throw new MeshError("MESH_LIMIT", {
        message: `a coordinator has at most ${limits.NODE_ADDRESSES_MAX} addresses of a kind`,
        hint: "Name the ones that others reach: `node.advertise` in the configuration.",
      });
    }
    const value = encodeRecord({ v: 1, ...contact } as ContactRecord);
    const present = await store.get(key);
    if (present !== undefined && Buffer.compare(present.value, value) === 0) return;
    const operation = { type: "put" as const, key, value };
    const { revision } = await store.transact({ success: [operation] });
    records.applyOperations([operation], revision);
  }

  /** Of one that is gone for good. */
  async forget(nodeId: NodeId): Promise<void> {
    const { store, records } = this.#context;
    const operation = { type: "delete" as const, key: coordinatorKey(nodeId) };
    const { revision } = await store.transact({ success: [operation] });
    records.applyOperations([operation], revision);
  }
}

/**
 * The coordinators that a node without the role knows: where they are, and which one leads as far
 * as it heard. Kept in node.json, so that it finds another one after a restart when the first is
 * gone.
 */
import { writePrivate } from "@hearthmesh/client/private-files";
import type { Leader } from "@hearthmesh/collective";
import { errorFields, type Logger, MeshError, type NodeId } from "@hearthmesh/core";
import { knownCoordinators, type NodeContact, type NodeRecord } from "../home.js";

/** Of one member. */
const CONTACTS_MAX = 16;

export class CoordinatorContacts {
  readonly #path: string;
  readonly #log: Logger;
  #record: NodeRecord;
  #contacts: readonly NodeContact[];
  #leader: { nodeId: NodeId; epoch: number } | undefined;

  /** `path` is that of node.json. `MESH_CONFIG_INVALID` when the record names no coordinator. */
  constructor(path: string, record: NodeRecord, log: Logger) {
    this.#path = path;
    this.#record = record;
    this.#log = log;
    this.#contacts = knownCoordinators(record);
    if (this.#contacts.length > 0) return;
    throw new MeshError("MESH_CONFIG_INVALID", {
      message: `${record.name} does not know its coordinator`,
      hint: "Remove MESH_HOME and join again with a new invite.",
    });
  }

  /** The one that leads first, as far as it is known. */
  get contacts(): readonly NodeContact[] {
    const leads = ({ nodeId }: NodeContact) => nodeId === this.#leader?.nodeId;
    return [...this.#contacts].sort((a, b) => Number(leads(b)) - Number(leads(a)));
  }

  get leader(): NodeId | undefined {
    return this.#leader?.nodeId;
  }

  get apiAddresses(): readonly string[] {
    return this.contacts.flatMap(({ apiAddresses }) => apiAddresses);
  }

  get enrolmentAddresses(): readonly string[] {
    return this.contacts.flatMap(({ enrolmentAddresses }) => enrolmentAddresses);
  }

  /** News of an older epoch than is known changes nothing; answers whether it was news. */
  heardOf({ nodeId, epoch, data }: Leader): boolean {
    if (this.#leader !== undefined && epoch < this.#leader.epoch) return false;
    const isNew = this.#leader?.nodeId !== nodeId;
    this.#leader = { nodeId, epoch };
    const known = this.#contacts.find((contact) => contact.nodeId === nodeId);
    if (known === undefined) {
      const { linkAddresses, apiAddresses } = data;
      this.learn([
        ...this.#contacts,
        { nodeId, linkAddresses, apiAddresses, enrolmentAddresses: [] },
      ]);
    }
    return isNew;
  }

  /** The whole list, as a coordinator told it. An empty one is not believed. */
  learn(contacts: readonly NodeContact[]): void {
    const bounded = contacts.slice(0, CONTACTS_MAX);
    const isSame = JSON.stringify(bounded) === JSON.stringify(this.#contacts);
    if (bounded.length === 0 || isSame) return;
    this.#contacts = bounded;
    this.#record = { ...this.#record, coordinators: bounded };
    writePrivate(this.#path, `${JSON.stringify(this.#record, undefined, 2)}\n`).catch(
      (error: unknown) => {
        this.#log.warn("the coordinators could not be written down", errorFields(error));
      },
    );
  }
}

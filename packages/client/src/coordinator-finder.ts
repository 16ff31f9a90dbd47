/**
 * Which coordinator of a member is asked next. Pure: it holds the list and its order; asking is
 * the business of `coordinator-finder-failover.ts`.
 *
 * State: the coordinators in the order in which they are asked, those that did not answer last
 * time, and whether the list should be learnt anew.
 * Events: `answered` (an address works, it goes first), `failed` (it goes last, or whom it names as
 * the leader goes first), `learn` (a coordinator told all of them).
 * Effects: `keep`, with the list that was learnt.
 * Invariants: the coordinator of the invite is never forgotten, because the addresses that the
 * others tell may not be reachable from here; at most `COORDINATORS_KNOWN_MAX` with at most
 * `ADDRESSES_MAX` addresses of a kind each. Whoever answers at an address must still prove to be a
 * coordinator of this member: a wrong list costs time, never trust.
 * Errors: `MESH_PROTOCOL` for a list that is not one.
 */
import { limits, MeshError, type NodeId, parseNodeId } from "@hearthmesh/core";
import { parseEndpoint } from "@hearthmesh/identity";

export interface CoordinatorContact {
  readonly nodeId: NodeId;
  readonly name: string;
  /** `host:port`, best first. */
  readonly apiAddresses: readonly string[];
  readonly linkAddresses: readonly string[];
  readonly enrolmentAddresses: readonly string[];
}

/** As it is kept on disk. */
export interface KnownCoordinators {
  readonly contacts: readonly CoordinatorContact[];
  readonly learntAtMs: number;
}

/** More than a member of 20 machines has. */
export const COORDINATORS_KNOWN_MAX = 16;
const ADDRESSES_MAX = limits.NODE_ADDRESSES_MAX;
const NAME_LENGTH_MAX = 64;
/** A list is learnt anew after this time, or when a coordinator was lost. */
const FRESH_MS = 600_000;

/** Keeps what was learnt, where a program has a place for it. */
export type KeepCoordinators = (known: KnownCoordinators) => Promise<void>;

const KINDS = ["apiAddresses", "linkAddresses", "enrolmentAddresses"] as const;
type AddressKind = (typeof KINDS)[number];

export class CoordinatorFinder {
  readonly #first: CoordinatorContact;
  readonly #keep: KeepCoordinators | undefined;
  readonly #lost = new Set<NodeId>();
  #contacts: readonly CoordinatorContact[];
  #learntAtMs: number;
  #isDue = false;

  /** `first`: of the invite. `known`: as `keep` was given it before. */
  constructor(first: CoordinatorContact, known?: KnownCoordinators, keep?: KeepCoordinators) {
    this.#first = first;
    this.#keep = keep;
    this.#contacts = this.#withFirst(known?.contacts ?? []);
    this.#learntAtMs = known?.learntAtMs ?? Number.NEGATIVE_INFINITY;
  }

  /** In the order in which they should be asked; never empty. */
  get contacts(): readonly CoordinatorContact[] {
    return this.#contacts;
  }

  /** Of all coordinators, in that order. */
  addresses(kind: AddressKind): string[] {
    return [...new Set(this.#contacts.flatMap((contact) => contact[kind]))];
  }

  /** The list is old, or a coordinator was lost since it was learnt. */
  isDue(nowMs: number): boolean {
    const ageMs = nowMs - this.#learntAtMs;
    // A time in the future is of a clock that was wrong.
    return this.#isDue || ageMs >= FRESH_MS || ageMs < 0;
  }

  /** `place`: its node id, or one of its addresses. */
  answered(place: string): void {
    const contact = this.#find(place);
    if (contact === undefined) return;
    this.#lost.delete(contact.nodeId);
    this.#putFirst(withAddressFirst(contact, place));
  }

  /** For an error that another coordinator may not have. */
  failed(place: string, error: MeshError): void {
    if (error.code === "MESH_NOT_LEADER") this.#follow(error.details?.leader);
    else this.#lose(place);
  }

  #lose(place: string): void {
    this.#isDue = true;
    const contact = this.#find(place);
    if (contact === undefined) return;
    const isLast = KINDS.some((kind) => contact[kind].at(-1) === place);
    // Its other addresses are still asked before it counts as lost.
    if (contact.nodeId !== place && !isLast) return;
    this.#lost.add(contact.nodeId);
    this.#contacts = [...this.#contacts.filter((one) => one !== contact), contact];
  }

  /** `told`: whom a `MESH_NOT_LEADER` names; it may name nobody. */
  #follow(told: unknown): void {
    let leader: CoordinatorContact;
    try {
      leader = parseContact(told);
    } catch {
      return;
    }
    const known = this.#find(leader.nodeId);
    if (known === undefined && this.#contacts.length >= COORDINATORS_KNOWN_MAX) return;
    this.#putFirst(known === undefined ? leader : joined(known, leader));
  }

  /** `answer`: of `GET /api/coordinators`. Rejects with `MESH_PROTOCOL` and changes nothing. */
  async learn(answer: unknown, nowMs: number): Promise<void> {
    const told = parseList(answer);
    const known = new Map(this.#contacts.map((one) => [one.nodeId, one]));
    const contacts = told.map(({ contact, isLeader }) => ({
      contact: merged(contact, known.get(contact.nodeId)),
      rank: (this.#lost.has(contact.nodeId) ? 2 : 0) + (isLeader ? 0 : 1),
    }));
    contacts.sort((one, other) => one.rank - other.rank);
    this.#contacts = this.#withFirst(contacts.map(({ contact }) => contact));
    await this.skipLearning(nowMs);
  }

  /** The list stays as it is until it is old again. */
  async skipLearning(nowMs: number): Promise<void> {
    this.#learntAtMs = nowMs;
    this.#isDue = false;
    await this.#keep?.({ contacts: this.#contacts, learntAtMs: nowMs });
  }

  #find(place: string): CoordinatorContact | undefined {
    return this.#contacts.find(
      (one) => one.nodeId === place || KINDS.some((kind) => one[kind].includes(place)),
    );
  }

  #putFirst(contact: CoordinatorContact): void {
    const others = this.#contacts.filter((one) => one.nodeId !== contact.nodeId);
    this.#contacts = [contact, ...others];
  }

  #withFirst(contacts: readonly CoordinatorContact[]): CoordinatorContact[] {
    const kept = contacts.slice(0, COORDINATORS_KNOWN_MAX);
    const isThere = kept.some((one) => one.nodeId === this.#first.nodeId);
    if (!isThere) return [...kept.slice(0, COORDINATORS_KNOWN_MAX - 1), this.#first];
    return kept.map((one) => (one.nodeId === this.#first.nodeId ? joined(one, this.#first) : one));
  }
}

/** What was told, in the order that proved itself here. */
function merged(told: CoordinatorContact, known?: CoordinatorContact): CoordinatorContact {
  if (known === undefined) return told;
  const order = (kind: AddressKind) => [
    ...known[kind].filter((address) => told[kind].includes(address)),
    ...told[kind].filter((address) => !known[kind].includes(address)),
  ];
  return withAddresses(told, order);
}

/** The addresses of both. */
function joined(one: CoordinatorContact, other: CoordinatorContact): CoordinatorContact {
  return withAddresses(one, (kind) =>
    [...new Set([...one[kind], ...other[kind]])].slice(0, ADDRESSES_MAX),
  );
}

function withAddressFirst(contact: CoordinatorContact, address: string): CoordinatorContact {
  return withAddresses(contact, (kind) =>
    contact[kind].includes(address)
      ? [address, ...contact[kind].filter((one) => one !== address)]
      : contact[kind],
  );
}

function withAddresses(
  contact: CoordinatorContact,
  of: (kind: AddressKind) => readonly string[],
): CoordinatorContact {
  return {
    ...contact,
    apiAddresses: of("apiAddresses"),
    linkAddresses: of("linkAddresses"),
    enrolmentAddresses: of("enrolmentAddresses"),
  };
}

/** The list as `keep` was given it; undefined for anything else, which is then learnt anew. */
export function parseKnownCoordinators(text: string): KnownCoordinators | undefined {
  try {
    const { contacts, learntAtMs } = JSON.parse(text) as Record<string, unknown>;
    if (!Array.isArray(contacts) || typeof learntAtMs !== "number") return undefined;
    return { contacts: contacts.slice(0, COORDINATORS_KNOWN_MAX).map(parseContact), learntAtMs };
  } catch {
    return undefined;
  }
}

function parseList(answer: unknown): { contact: CoordinatorContact; isLeader: boolean }[] {
  const list = (answer as { coordinators?: unknown } | null)?.coordinators;
  if (!Array.isArray(list) || list.length === 0 || list.length > COORDINATORS_KNOWN_MAX) {
    throw new MeshError("MESH_PROTOCOL", { message: "the list of coordinators is not complete" });
  }
  return list.map((one: unknown) => ({
    contact: parseContact(one),
    isLeader: (one as { isLeader?: unknown }).isLeader === true,
  }));
}

export function parseContact(value: unknown): CoordinatorContact {
  const { nodeId, name, ...rest } = (value ?? {}) as Record<string, unknown>;
  return {
    nodeId: parseNodeId(String(nodeId)),
    name: typeof name === "string" ? name.slice(0, NAME_LENGTH_MAX) : "",
    apiAddresses: parseAddresses(rest.apiAddresses),
    linkAddresses: parseAddresses(rest.linkAddresses),
    enrolmentAddresses: parseAddresses(rest.enrolmentAddresses),
  };
}

function parseAddresses(value: unknown = []): string[] {
  if (!Array.isArray(value) || value.length > ADDRESSES_MAX) {
    throw new MeshError("MESH_PROTOCOL", { message: "a coordinator's addresses are no list" });
  }
  return value.map((address: unknown) => {
    const text = String(address);
    if (text.length > limits.NODE_ADDRESS_BYTES_MAX) throw new MeshError("MESH_PROTOCOL");
    parseEndpoint(text);
    return text;
  });
}

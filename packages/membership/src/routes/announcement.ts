/**
 * What a node says about itself to the whole mesh, signed: its direct links with their round trips,
 * whether it passes streams on, and its services. The bytes are, big-endian:
 *
 * | bytes | what                                                                |
 * |-------|---------------------------------------------------------------------|
 * | 1     | version, 1                                                          |
 * | 32    | node id                                                             |
 * | 6 + 6 | epoch (1 to 2^48 - 1) and sequence (1 to 2^48 - 1)                  |
 * | 1     | 1 when the node relays, else 0                                      |
 * | 2     | neighbours; each 32 id, 4 tenths of a millisecond, 1 kind (0, 1 hub) |
 * | 1     | services; each a name, a count of 1 byte and the capabilities,      |
 * |       | 1 protocol (0 http, 1 tcp), 1 health (0 ok, 1 failing, 2 unknown), 4 load |
 * | 64    | ECDSA P-256 with SHA-256 over a domain and all before (IEEE P1363)  |
 *
 * A text is one byte of length and ASCII. Neighbours stand in the order of their ids, services in
 * that of their names, capabilities in that of their text, each once: one announcement, one text.
 *
 * Of two announcements of a node the one with the higher epoch is newer, then the one with the
 * higher sequence. An epoch is one life of the process.
 */
import { MeshError, type NodeId } from "@hearthmesh/core";
import { nodeIdOfPublicKey, verifySignature } from "@hearthmesh/identity";
import type { ServiceAnnouncement } from "../ports.js";
import { ByteReader, ByteWriter, refused } from "./bytes.js";
import {
  ANNOUNCED_NEIGHBOURS_MAX,
  ANNOUNCED_SERVICES_MAX,
  ANNOUNCEMENT_BYTES_MAX,
  EPOCH_MAX,
  ROUND_TRIP_MS_MAX,
  SERVICE_CAPABILITIES_MAX,
  SERVICE_CAPABILITY_BYTES_MAX,
  SERVICE_LOAD_MAX,
  SERVICE_NAME_BYTES_MAX,
  SERVICES_BYTES_MAX,
} from "./limits.js";

export interface AnnouncedNeighbour {
  readonly nodeId: NodeId;
  /** As this node measured it, to a tenth of a millisecond. */
  readonly roundTripMs: number;
  readonly kind: "direct" | "hub";
}

/** Which of a node's announcements one is. */
export interface AnnouncementNumber {
  readonly nodeId: NodeId;
  /** Rises with each life of the process. */
  readonly epoch: number;
  /** Rises with each announcement of a life. */
  readonly sequence: number;
}

export interface RouteAnnouncement extends AnnouncementNumber {
  /** Passes streams on for others. */
  readonly relays: boolean;
  readonly neighbours: readonly AnnouncedNeighbour[];
  readonly services: readonly ServiceAnnouncement[];
}

const VERSION = 1;
const SIGNATURE_BYTES = 64;
const DOMAIN = Buffer.from("hearthmesh route announcement v1\0", "latin1");
const PROTOCOLS = ["http", "tcp"] as const;
const HEALTHS = ["ok", "failing", "unknown"] as const;
const KINDS = ["direct", "hub"] as const;

/** Above zero when `a` is newer than `b`, 0 when they are the same one. */
export function compareNumbers(
  a: Omit<AnnouncementNumber, "nodeId">,
  b: Omit<AnnouncementNumber, "nodeId">,
): number {
  return a.epoch - b.epoch || a.sequence - b.sequence;
}

/** As it is announced: to a tenth of a millisecond, at least that, at most a minute. */
export function roundedRoundTripMs(ms: number): number {
  if (!(ms > 0)) return 0.1;
  return Math.min(Math.max(Math.round(ms * 10), 1), ROUND_TRIP_MS_MAX * 10) / 10;
}

/**
 * The bytes of an announcement with its signature. `sign` is ECDSA P-256 with SHA-256 and returns
 * 64 bytes (IEEE P1363). Throws `MESH_BAD_REQUEST` for a field outside its limits and for a
 * signature of another size.
 */
export function signAnnouncement(
  announcement: RouteAnnouncement,
  sign: (bytes: Uint8Array) => Uint8Array,
): Uint8Array {
  const payload = announcementPayload(announcement);
  const signature = sign(Buffer.concat([DOMAIN, payload]));
  if (signature.length !== SIGNATURE_BYTES) throw refused("a signature has 64 bytes");
  const bytes = Buffer.concat([payload, signature]);
  if (bytes.length > ANNOUNCEMENT_BYTES_MAX) throw refused("the announcement is too large");
  return new Uint8Array(bytes);
}

/** Whether the bytes end with the signature of the key, and the key is that of the node id. */
export function isSignedBy(bytes: Uint8Array, nodeId: NodeId, publicKey: Uint8Array): boolean {
  if (bytes.length <= SIGNATURE_BYTES || nodeIdOfPublicKey(publicKey) !== nodeId) return false;
  const end = bytes.length - SIGNATURE_BYTES;
  return verifySignature(
    publicKey,
    Buffer.concat([DOMAIN, bytes.subarray(0, end)]),
    bytes.subarray(end),
  );
}

/** What is before the signature, in the one encoding. Throws `MESH_BAD_REQUEST`. */
export function announcementPayload(announcement: RouteAnnouncement): Uint8Array {
  const { nodeId, epoch, sequence, relays } = announcement;
  const neighbours = [...announcement.neighbours].sort((a, b) => order(a.nodeId, b.nodeId));
  checkNumbers(announcement);
  checkCount("neighbours", neighbours.length, ANNOUNCED_NEIGHBOURS_MAX);
  const writer = new ByteWriter().number(VERSION, 1).nodeId(nodeId);
  writer
    .number(epoch, 6)
    .number(sequence, 6)
    .number(relays ? 1 : 0, 1);
  writer.number(neighbours.length, 2);
  for (const neighbour of neighbours) {
    writer.nodeId(neighbour.nodeId);
    writer.number(Math.round(roundedRoundTripMs(neighbour.roundTripMs) * 10), 4);
    writer.number(KINDS.indexOf(neighbour.kind), 1);
  }
  writer.raw(servicesPayload(announcement.services));
  const payload = writer.finish();
  // Reading it again finds what is twice or outside its limits with the receivers' own eyes.
  readPayload(new ByteReader(payload));
  return payload;
}

/**
 * Throws `MESH_LIMIT` when the services are too many or too large for an announcement, and
 * `MESH_BAD_REQUEST` when one of them is not of the form or named twice.
 */
export function checkServices(services: readonly ServiceAnnouncement[]): void {
  if (services.length > ANNOUNCED_SERVICES_MAX) {
    const message = `a node announces up to ${ANNOUNCED_SERVICES_MAX} services`;
    throw new MeshError("MESH_LIMIT", { message });
  }
  const payload = servicesPayload(services);
  readServices(new ByteReader(payload));
  if (payload.length > SERVICES_BYTES_MAX) {
    const message = `services take up to ${SERVICES_BYTES_MAX} bytes, these ${payload.length}`;
    throw new MeshError("MESH_LIMIT", { message });
  }
}

function servicesPayload(services: readonly ServiceAnnouncement[]): Buffer {
  checkCount("services", services.length, ANNOUNCED_SERVICES_MAX);
  const sorted = [...services].sort((a, b) => order(a.name, b.name));
  const writer = new ByteWriter().number(sorted.length, 1);
  for (const service of sorted) writeService(writer, service);
  return writer.finish();
}

/**
 * The number alone, from the head; nothing is verified. Throws `MESH_BAD_REQUEST` when the bytes
 * are too large or no announcement.
 */
export function announcementNumber(bytes: Uint8Array): AnnouncementNumber {
  if (bytes.length > ANNOUNCEMENT_BYTES_MAX) throw refused("the announcement is too large");
  return readHead(new ByteReader(bytes));
}

/**
 * The announcement; its signature is not verified here. Throws `MESH_BAD_REQUEST` for anything
 * that is not exactly one announcement in its one encoding.
 */
export function decodeAnnouncement(bytes: Uint8Array): RouteAnnouncement {
  if (bytes.length > ANNOUNCEMENT_BYTES_MAX) throw refused("the announcement is too large");
  if (bytes.length <= SIGNATURE_BYTES) throw refused("the bytes end too early");
  return readPayload(new ByteReader(bytes.subarray(0, bytes.length - SIGNATURE_BYTES)));
}

function readPayload(reader: ByteReader): RouteAnnouncement {
  const head = readHead(reader);
  const relays = readChoice(reader, "flag", [false, true] as const);
  const neighbours = readNeighbours(reader, head.nodeId);
  const services = readServices(reader);
  if (!reader.isAtEnd) throw refused("there are bytes after the announcement");
  return { ...head, relays, neighbours, services };
}

function readHead(reader: ByteReader): AnnouncementNumber {
  if (reader.number(1) !== VERSION) throw refused("the announcement is of another version");
  const head = { nodeId: reader.nodeId(), epoch: reader.number(6), sequence: reader.number(6) };
  checkNumbers(head);
  return head;
}

function readNeighbours(reader: ByteReader, self: NodeId): AnnouncedNeighbour[] {
  const count = reader.number(2);
  checkCount("neighbours", count, ANNOUNCED_NEIGHBOURS_MAX);
  const neighbours: AnnouncedNeighbour[] = [];
  for (let index = 0; index < count; index++) {
    const nodeId = reader.nodeId();
    const tenths = reader.number(4);
    const kind = readChoice(reader, "kind", KINDS);
    if (nodeId === self) throw refused("a node is not its own neighbour");
    if (tenths < 1 || tenths > ROUND_TRIP_MS_MAX * 10) throw refused("a round trip is no such");
    neighbours.push({ nodeId, roundTripMs: tenths / 10, kind });
  }
  checkAscending(neighbours.map(({ nodeId }) => nodeId));
  return neighbours;
}

function writeService(writer: ByteWriter, service: ServiceAnnouncement): void {
  const { name, protocol, health, load } = service;
  const capabilities = [...service.capabilities].sort(order);
  checkCount("capabilities", capabilities.length, SERVICE_CAPABILITIES_MAX);
  if (!Number.isSafeInteger(load) || load < 0 || load > SERVICE_LOAD_MAX) {
    throw refused("a load is no count");
  }
  writer.text("service name", name, SERVICE_NAME_BYTES_MAX).number(capabilities.length, 1);
  for (const text of capabilities) writer.text("capability", text, SERVICE_CAPABILITY_BYTES_MAX);
  writer.number(choiceNumber("protocol", PROTOCOLS, protocol), 1);
  writer.number(choiceNumber("health", HEALTHS, health), 1).number(load, 4);
}

function readServices(reader: ByteReader): ServiceAnnouncement[] {
  const count = reader.number(1);
  checkCount("services", count, ANNOUNCED_SERVICES_MAX);
  const services: ServiceAnnouncement[] = [];
  for (let index = 0; index < count; index++) {
    const name = reader.text("service name", SERVICE_NAME_BYTES_MAX);
    const capabilities = readCapabilities(reader);
    const protocol = readChoice(reader, "protocol", PROTOCOLS);
    const health = readChoice(reader, "health", HEALTHS);
    services.push({ name, capabilities, protocol, health, load: reader.number(4) });
  }
  checkAscending(services.map(({ name }) => name));
  return services;
}

function readCapabilities(reader: ByteReader): string[] {
  const count = reader.number(1);
  checkCount("capabilities", count, SERVICE_CAPABILITIES_MAX);
  const capabilities: string[] = [];
  for (let index = 0; index < count; index++) {
    capabilities.push(reader.text("capability", SERVICE_CAPABILITY_BYTES_MAX));
  }
  checkAscending(capabilities);
  return capabilities;
}

function readChoice<T>(reader: ByteReader, what: string, choices: readonly T[]): T {
  const choice = choices[reader.number(1)];
  if (choice === undefined) throw refused(`the ${what} has no such value`);
  return choice;
}

function choiceNumber<T>(what: string, choices: readonly T[], choice: T): number {
  const number = choices.indexOf(choice);
  if (number < 0) throw refused(`the ${what} has no such value`);
  return number;
}

function checkNumbers({ epoch, sequence }: Omit<AnnouncementNumber, "nodeId">): void {
  for (const value of [epoch, sequence]) {
    if (!Number.isSafeInteger(value) || value < 1 || value >= EPOCH_MAX) {
      throw refused("an epoch or sequence is out of range");
    }
  }
}

function checkCount(what: string, count: number, max: number): void {
  if (count > max) throw refused(`there are ${count} ${what}, the limit is ${max}`);
}

function checkAscending(texts: readonly string[]): void {
  for (let index = 1; index < texts.length; index++) {
    if (order(texts[index - 1] ?? "", texts[index] ?? "") >= 0) {
      throw refused("the parts of an announcement are in order, and each is there once");
    }
  }
}

/** By code units; ids and names are ASCII. */
function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

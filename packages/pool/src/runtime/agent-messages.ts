/**
 * What agents say to each other about rings, on links (`ai.*`): JSON, bounded and checked field by
 * field. A plan travels as columns; every member computes the shards from them by itself.
 */
import { type NodeId, parseNodeId } from "@hearthmesh/core";
import { RING_COLUMNS, type Span } from "../shards/shard.js";
import {
  listOf,
  numberOf,
  optional,
  parseRecord,
  recordOf,
  textOf,
  toBytes,
  wholeOf,
} from "./checked-json.js";
import type { Placement } from "./inference-service.js";
import {
  AGENT_BODY_BYTES_MAX,
  ENDPOINTS_MAX,
  EPOCH_MAX,
  RING_MEMBERS_MAX,
  RINGS_MAX,
} from "./limits.js";
import type { PrepareProgress } from "./preparation.js";

export const METHODS = {
  measure: "ai.measure",
  ping: "ai.ping",
  rings: "ai.rings",
  prepare: "ai.prepare",
  progress: "ai.progress",
  join: "ai.join",
  release: "ai.release",
  generate: "ai.generate",
  probe: "ai.probe",
} as const;

/** Which ring: one leader may lead several, of one model too when requests name members. */
export interface RingName {
  readonly ringId: string;
  readonly epoch: number;
}

export interface PrepareMessage extends RingName {
  readonly modelId: string;
  readonly contextTokens: number;
  readonly memoryBytesMax: number;
  readonly leader: NodeId;
  readonly members: readonly {
    readonly nodeId: NodeId;
    readonly name: string;
    readonly columns: Span;
  }[];
}

export interface JoinMessage extends RingName {
  /** In the order of the members. */
  readonly endpoints: readonly (readonly string[])[];
}

/** What a member says about itself. */
export interface MeasureAnswer {
  readonly unavailable: string | undefined;
  readonly memoryBytes: number;
  readonly bandwidthBytesPerSecond: number;
  readonly ageMs: number;
  /** To other members, as far as it has measured them. */
  readonly links: readonly {
    readonly nodeId: NodeId;
    readonly roundTripMs: number | undefined;
    readonly bytesPerSecond: number | undefined;
    readonly relayed: boolean;
  }[];
}

/** A ring that a node leads. */
export interface LedRing {
  readonly ringId: string;
  readonly modelId: string;
  readonly epoch: number;
  readonly placement: Placement;
  /** Its requests asked for this placement: others would rather have what the planner says. */
  readonly isForced: boolean;
  readonly isReady: boolean;
  readonly running: number;
  readonly nodeIds: readonly NodeId[];
}

const NAME_CHARACTERS_MAX = 128;

export const encodePrepare = (message: PrepareMessage) => toBytes({ v: 1, ...message });
export const encodeJoin = (message: JoinMessage) => toBytes({ v: 1, ...message });
/** Of a `progress` and a `release`. */
export const encodeRingName = (message: RingName) => toBytes({ v: 1, ...message });
export const encodeProgress = (progress: PrepareProgress) => toBytes({ v: 1, ...progress });
export const encodeMeasure = (answer: MeasureAnswer) => toBytes({ v: 1, ...answer });
export const encodeRings = (rings: readonly LedRing[]) => toBytes({ v: 1, rings });

export function decodePrepare(bytes: Uint8Array): PrepareMessage {
  const record = parseRecord(bytes, AGENT_BODY_BYTES_MAX);
  return {
    ...ringName(record),
    modelId: textOf(record.modelId, NAME_CHARACTERS_MAX),
    contextTokens: wholeOf(record.contextTokens, 1, 2 ** 24),
    memoryBytesMax: wholeOf(record.memoryBytesMax, 0, Number.MAX_SAFE_INTEGER),
    leader: nodeId(record.leader),
    members: listOf(record.members, RING_MEMBERS_MAX, (item) => {
      const member = recordOf(item);
      const columns = recordOf(member.columns);
      return {
        nodeId: nodeId(member.nodeId),
        name: textOf(member.name, NAME_CHARACTERS_MAX),
        columns: {
          from: wholeOf(columns.from, 0, RING_COLUMNS),
          to: wholeOf(columns.to, 0, RING_COLUMNS),
        },
      };
    }),
  };
}

export function decodeJoin(bytes: Uint8Array): JoinMessage {
  const record = parseRecord(bytes, AGENT_BODY_BYTES_MAX);
  return {
    ...ringName(record),
    endpoints: listOf(record.endpoints, RING_MEMBERS_MAX, endpointsOf),
  };
}

/** Also the answer to a `prepare`: where the tensor plane of a member is. */
export function endpointsOf(value: unknown): string[] {
  return listOf(value, ENDPOINTS_MAX, (one) => textOf(one, 300));
}

/** Of a `progress` and a `release`. */
export function decodeRingName(bytes: Uint8Array): RingName {
  return ringName(parseRecord(bytes, AGENT_BODY_BYTES_MAX));
}

export function decodeProgress(bytes: Uint8Array): PrepareProgress {
  const { pulledBytes, isPulled } = parseRecord(bytes, AGENT_BODY_BYTES_MAX);
  return {
    pulledBytes: wholeOf(pulledBytes, 0, Number.MAX_SAFE_INTEGER),
    isPulled: isPulled === true,
  };
}

export function decodeMeasure(bytes: Uint8Array): MeasureAnswer {
  const record = parseRecord(bytes, AGENT_BODY_BYTES_MAX);
  return {
    unavailable: optional(record.unavailable, (value) => textOf(value, 300)),
    memoryBytes: wholeOf(record.memoryBytes, 0, Number.MAX_SAFE_INTEGER),
    bandwidthBytesPerSecond: numberOf(record.bandwidthBytesPerSecond, 0, 1e15),
    ageMs: numberOf(record.ageMs, 0, 1e13),
    links: listOf(record.links, 256, (item) => {
      const link = recordOf(item);
      return {
        nodeId: nodeId(link.nodeId),
        roundTripMs: optional(link.roundTripMs, (value) => numberOf(value, 0, 1e7)),
        bytesPerSecond: optional(link.bytesPerSecond, (value) => numberOf(value, 1, 1e15)),
        relayed: link.relayed === true,
      };
    }),
  };
}

export function decodeRings(bytes: Uint8Array): LedRing[] {
  const record = parseRecord(bytes, AGENT_BODY_BYTES_MAX);
  return listOf(record.rings, RINGS_MAX, (item) => {
    const ring = recordOf(item);
    return {
      ...ringName(ring),
      modelId: textOf(ring.modelId, NAME_CHARACTERS_MAX),
      placement: ring.placement === "T" ? "T" : "R",
      isForced: ring.isForced === true,
      isReady: ring.isReady === true,
      running: wholeOf(ring.running, 0, 1e9),
      nodeIds: listOf(ring.nodeIds, RING_MEMBERS_MAX, nodeId),
    };
  });
}

function ringName(record: Readonly<Record<string, unknown>>): RingName {
  return {
    ringId: textOf(record.ringId, 256),
    epoch: wholeOf(record.epoch, 1, EPOCH_MAX),
  };
}

function nodeId(value: unknown): NodeId {
  return parseNodeId(textOf(value, 64));
}

/**
 * What the agent and its worker process say to each other, over the channel that Node makes between
 * parent and child. Both sides check what they get: the worker looks at what strangers send, so its
 * word is not taken for more than it is.
 */
import { type ErrorRecord, type LogFields, MeshError } from "@hearthmesh/core";
import type { GenerateRequest, GenerationEvent } from "./generation.js";
import type { RingPlan } from "./ring-plan.js";
import type { RingWorkerStats } from "./ring-worker.js";
import type { RingCredentials } from "./tensor-plane.js";

export interface WorkerSettings {
  readonly credentials: RingCredentials;
  readonly nodeId: string;
  readonly host: string;
  /** 0: any. */
  readonly port: number;
  readonly engine: "ggml" | "reference";
  /** Where ggml's libraries are; undefined: the installed package. */
  readonly libraryFolder: string | undefined;
  /** `auto`, or a device's name. */
  readonly device: string;
  readonly threads: number;
  readonly memoryBytesMax: number;
  readonly sequencesMax: number;
  readonly batchRowsMax: number;
}

export type AgentMessage =
  | { readonly kind: "start"; readonly settings: WorkerSettings }
  | { readonly kind: "load"; readonly call: number; readonly plan: RingPlan; readonly path: string }
  | { readonly kind: "stats"; readonly call: number }
  /** Of a load that is under way. */
  | { readonly kind: "abort"; readonly call: number }
  | { readonly kind: "credentials"; readonly credentials: RingCredentials }
  | { readonly kind: "generate"; readonly id: number; readonly request: GenerateRequest }
  | { readonly kind: "cancel"; readonly id: number }
  | { readonly kind: "taken"; readonly id: number; readonly events: number }
  | { readonly kind: "close" };

export type WorkerMessage =
  | { readonly kind: "started"; readonly port: number }
  | { readonly kind: "not-started"; readonly error: ErrorRecord }
  | {
      readonly kind: "answer";
      readonly call: number;
      readonly stats?: RingWorkerStats;
      readonly error?: ErrorRecord;
    }
  | { readonly kind: "event"; readonly id: number; readonly event: GenerationEvent }
  | { readonly kind: "failed"; readonly id: number; readonly error: ErrorRecord }
  | {
      readonly kind: "failure";
      readonly epoch: number;
      readonly nodeId: string | undefined;
      readonly error: ErrorRecord;
    }
  | {
      readonly kind: "log";
      readonly level: "debug" | "info" | "warn" | "error";
      readonly message: string;
      readonly fields: LogFields;
    };

type Check = (value: unknown) => boolean;
const isText: Check = (value) => typeof value === "string";
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isRecord: Check = (value) => typeof value === "object" && value !== null;
const isTextOrNothing: Check = (value) => value === undefined || isText(value);
const isOneOf =
  (...names: readonly string[]): Check =>
  (value) =>
    names.includes(value as string);

/** Fields that each kind of message must have, of the form on which the reader relies. */
const AGENT_FIELDS: Record<AgentMessage["kind"], Record<string, Check>> = {
  start: { settings: isRecord },
  load: { call: isCount, plan: isRecord, path: isText },
  stats: { call: isCount },
  abort: { call: isCount },
  credentials: { credentials: isRecord },
  generate: { id: isCount, request: isRecord },
  cancel: { id: isCount },
  taken: { id: isCount, events: isCount },
  close: {},
};

const isEvent: Check = (value) =>
  isRecord(value) &&
  isOneOf("started", "text", "paused", "done")((value as Record<string, unknown>).kind);
const isRecordOrNothing: Check = (value) => value === undefined || isRecord(value);

const WORKER_FIELDS: Record<WorkerMessage["kind"], Record<string, Check>> = {
  started: { port: isCount },
  "not-started": { error: isRecord },
  answer: { call: isCount, stats: isRecordOrNothing, error: isRecordOrNothing },
  event: { id: isCount, event: isEvent },
  failed: { id: isCount, error: isRecord },
  failure: { epoch: isCount, nodeId: isTextOrNothing, error: isRecord },
  log: { level: isOneOf("debug", "info", "warn", "error"), message: isText, fields: isRecord },
};

/** `MESH_PROTOCOL`. */
export function checkAgentMessage(message: unknown): AgentMessage {
  return checked<AgentMessage>(message, AGENT_FIELDS);
}

/** `MESH_PROTOCOL`. */
export function checkWorkerMessage(message: unknown): WorkerMessage {
  return checked<WorkerMessage>(message, WORKER_FIELDS);
}

function checked<Message extends { readonly kind: string }>(
  message: unknown,
  kinds: Readonly<Record<string, Record<string, Check>>>,
): Message {
  const record = isRecord(message) ? (message as Record<string, unknown>) : {};
  const kind = typeof record.kind === "string" ? record.kind : "";
  const fields = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  const isRight =
    fields !== undefined && Object.entries(fields).every(([name, check]) => check(record[name]));
  if (isRight) return message as Message;
  throw new MeshError("MESH_PROTOCOL", {
    message: `a message between the agent and its worker is not valid: ${kind.slice(0, 32)}`,
  });
}

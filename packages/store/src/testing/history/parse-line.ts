/** Lines of a history become values; whatever is wrong with one is said with its number. */
import { MeshError } from "@hearthmesh/core";
import {
  CLIENT_OPERATIONS,
  type ClientEvent,
  type ClientOperation,
  type EventType,
  type FaultEvent,
  HISTORY_FORMAT,
  HISTORY_NAME,
  type HistoryEvent,
  type HistoryHeader,
} from "./format.js";
import { HISTORY_ITEMS_MAX } from "./limits.js";

type Fields = Record<string, unknown>;
type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === "string";
const isTextOrNull: Check = (value) => value === null || typeof value === "string";
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isFlag: Check = (value) => typeof value === "boolean";

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isListOf(check: (item: Fields) => boolean): Check {
  return (value) =>
    Array.isArray(value) &&
    value.length <= HISTORY_ITEMS_MAX &&
    value.every((item) => isFields(item) && check(item));
}

const isExpectation = (item: Fields): boolean => {
  const given = ["value", "modRevision", "createRevision"].filter((name) => name in item);
  const [name = ""] = given;
  return given.length === 1 && (name === "value" ? isTextOrNull : isCount)(item[name]);
};
const isChange = (item: Fields): boolean =>
  isText(item.key) && (item.type === "delete" || (item.type === "put" && isText(item.value)));
const isStep = (item: Fields): boolean =>
  isChange(item) || (item.type === "get" && isText(item.key));
const isResult = (item: Fields): boolean =>
  (item.value === undefined || isTextOrNull(item.value)) &&
  (item.modRevision === undefined || isCount(item.modRevision)) &&
  (item.deleted === undefined || isCount(item.deleted));
const isBatch = (item: Fields): boolean =>
  isCount(item.revision) && isCount(item.time) && isListOf(isChange)(item.events);

/** Every field that an event may have, and what it must be. */
const FIELDS: Readonly<Record<string, Check>> = {
  key: isText,
  value: isTextOrNull,
  revision: isCount,
  modRevision: isCount,
  expect: (value) => isFields(value) && isExpectation(value),
  succeeded: isFlag,
  deleted: isCount,
  compare: isListOf((item) => isText(item.key) && isExpectation(item)),
  success: isListOf(isStep),
  failure: isListOf(isStep),
  results: isListOf(isResult),
  prefix: isText,
  entries: isListOf((item) => isText(item.key) && isText(item.value) && isCount(item.modRevision)),
  fromRevision: isCount,
  batches: isListOf(isBatch),
  lease: isCount,
  ttlMs: isCount,
  lock: isText,
  token: isCount,
  guard: isFlag,
  error: isText,
};

/** What an invocation and a completion of type `ok` must have. */
const REQUIRED: Readonly<Record<ClientOperation, Record<"invoke" | "ok", readonly string[]>>> = {
  get: { invoke: ["key"], ok: ["value", "modRevision"] },
  put: { invoke: ["key", "value"], ok: ["revision"] },
  delete: { invoke: ["key"], ok: ["revision", "deleted"] },
  cas: { invoke: ["key", "value", "expect"], ok: ["revision", "succeeded"] },
  txn: { invoke: ["compare", "success", "failure"], ok: ["revision", "succeeded", "results"] },
  range: { invoke: ["prefix"], ok: ["revision", "entries"] },
  watch: { invoke: ["prefix", "fromRevision"], ok: ["batches"] },
  grant: { invoke: ["ttlMs"], ok: ["lease"] },
  keepAlive: { invoke: ["lease"], ok: [] },
  revoke: { invoke: ["lease"], ok: [] },
  lock: { invoke: ["key", "value", "lease"], ok: ["revision", "succeeded"] },
  unlock: { invoke: ["key", "token"], ok: ["revision", "succeeded"] },
  fenced: { invoke: ["key", "value", "lock", "token"], ok: ["revision", "succeeded"] },
};
const TYPES: readonly EventType[] = ["invoke", "ok", "fail", "info"];

/** `MESH_BAD_REQUEST`, with the number of the line in the text and in the details. */
export function badLine(line: number, problem: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", {
    message: `line ${line} of the history: ${problem}`,
    hint: "docs/histories.md describes the format.",
    details: { line },
  });
}

function fieldsOf(text: string, line: number): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw badLine(line, "it is not JSON");
  }
  if (!isFields(value)) throw badLine(line, "it is not a JSON object");
  return value;
}

export function parseHeader(text: string): HistoryHeader {
  const header = fieldsOf(text, 1);
  if (header.history !== HISTORY_NAME) {
    throw badLine(1, `it is not a header with "history": "${HISTORY_NAME}"`);
  }
  if (header.format !== HISTORY_FORMAT) {
    throw badLine(1, `its format ${String(header.format)} is unknown; this is ${HISTORY_FORMAT}`);
  }
  const known =
    isText(header.engine) &&
    isText(header.version) &&
    isCount(header.seed) &&
    isCount(header.startRevision) &&
    Array.isArray(header.faults) &&
    header.faults.every(isText);
  if (!known)
    throw badLine(1, "engine, faults, seed, version or startRevision is missing or wrong");
  return header as unknown as HistoryHeader;
}

export function parseEvent(text: string, line: number): HistoryEvent {
  const event = fieldsOf(text, line);
  if (!isCount(event.time)) throw badLine(line, "`time` is not a count of microseconds");
  if (event.process === "nemesis") return fault(event, line);
  if (!isCount(event.process)) throw badLine(line, '`process` is not a number or "nemesis"');
  const type = TYPES.find((known) => known === event.type);
  const op = CLIENT_OPERATIONS.find((known) => known === event.op);
  if (type === undefined) throw badLine(line, "`type` is not invoke, ok, fail or info");
  if (op === undefined) throw badLine(line, `\`op\` is not one of ${CLIENT_OPERATIONS.join(", ")}`);
  for (const [name, check] of Object.entries(FIELDS)) {
    if (name in event && !check(event[name])) throw badLine(line, `\`${name}\` is wrong`);
  }
  const required = type === "invoke" || type === "ok" ? REQUIRED[op][type] : ["error"];
  const missing = required.filter((name) => !(name in event));
  if (missing.length > 0) {
    throw badLine(line, `a ${op} of type ${type} needs ${missing.join(", ")}`);
  }
  return event as unknown as ClientEvent;
}

function fault(event: Fields, line: number): FaultEvent {
  const optional = [event.target, event.words].every((item) => item === undefined || isText(item));
  if (event.type !== "info" || !isText(event.op) || !optional) {
    throw badLine(line, "a fault is of type info, with `op`, `target` and `words` as texts");
  }
  return event as unknown as FaultEvent;
}

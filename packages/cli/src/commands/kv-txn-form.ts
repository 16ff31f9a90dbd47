/**
 * The readable form of a transaction (`mesh kv txn`), as a person writes it:
 *
 *     {
 *       "if":   [{ "key": "app/leader", "exists": false }, { "key": "app/size", "value": "3" }],
 *       "then": [{ "put": "app/leader", "value": "attic" }, { "get": "app/config" }],
 *       "else": [{ "get": "app/leader" }],
 *       "fence": { "lock": "jobs/nightly", "token": 12 }
 *     }
 *
 * A condition has one of `exists`, `value`, `valueBase64`, `revision`, `createRevision`, `version`,
 * and `is` for another comparison than `=`. An operation is one of `put`, `delete`,
 * `deletePrefix`, `get` with the key; a put has one of `value`, `valueBase64`, `json`, and maybe
 * `lease`. Pure; what does not fit is `MESH_BAD_REQUEST` that says where.
 */
import type {
  Fence,
  Transaction,
  TransactionCompare,
  TransactionOperation,
  Value,
} from "@hearthmesh/client";
import type { MeshError } from "@hearthmesh/core";
import { usageError } from "../failures.js";

type Fields = Record<string, unknown>;

export function parseTransaction(text: string): Transaction {
  let form: unknown;
  try {
    form = JSON.parse(text);
  } catch (error) {
    throw wrong(`it is not JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  const fields = fieldsOf(form, "the transaction", ["if", "then", "else", "fence"]);
  if (fields.then === undefined) throw wrong('"then" is missing');
  return {
    compare: listOf(fields.if, "if", readCondition),
    success: listOf(fields.then, "then", readOperation),
    failure: listOf(fields.else, "else", readOperation),
    ...(fields.fence === undefined ? {} : { fence: readFence(fields.fence) }),
  };
}

const NUMBERS = { revision: "modRevision", createRevision: "createRevision", version: "version" };
const COMPARISONS = ["=", "!=", "<", ">"] as const;
type Comparison = (typeof COMPARISONS)[number];

function readCondition(value: unknown, where: string): TransactionCompare {
  const targets = ["exists", "value", "valueBase64", ...Object.keys(NUMBERS)];
  const fields = fieldsOf(value, where, ["key", "is", ...targets]);
  const key = textOf(fields, "key", where);
  const target = onlyOne(fields, targets, where);
  const { is = "=" } = fields;
  if (!isComparison(is)) throw wrong(`${where}.is must be one of ${COMPARISONS.join(" ")}`);
  if (target === "exists") {
    if (typeof fields.exists !== "boolean") throw wrong(`${where}.exists must be true or false`);
    if (fields.is !== undefined) throw wrong(`${where}: "exists" stands alone, without "is"`);
    return { key, target: "createRevision", is: fields.exists ? "!=" : "=", value: 0 };
  }
  if (target === "value" || target === "valueBase64") {
    if (is !== "=" && is !== "!=") throw wrong(`${where}: values are compared by = and != alone`);
    return { key, target: "value", is, value: readBytes(fields, target, where) };
  }
  const number = fields[target];
  if (typeof number !== "number" || !Number.isSafeInteger(number) || number < 0) {
    throw wrong(`${where}.${target} must be a whole number`);
  }
  return { key, target: NUMBERS[target as keyof typeof NUMBERS] as "version", is, value: number };
}

const OPERATIONS = ["put", "delete", "deletePrefix", "get"];
const VALUES = ["value", "valueBase64", "json"];

function readOperation(value: unknown, where: string): TransactionOperation {
  const fields = fieldsOf(value, where, [...OPERATIONS, ...VALUES, "lease"]);
  const type = onlyOne(fields, OPERATIONS, where);
  const key = textOf(fields, type, where);
  if (type === "put") {
    const { lease } = fields;
    const bytes = readBytes(fields, onlyOne(fields, VALUES, where), where);
    if (lease === undefined) return { type, key, value: bytes };
    if (!Number.isSafeInteger(lease)) throw wrong(`${where}.lease must be the number of a lease`);
    return { type, key, value: bytes, leaseId: lease as number };
  }
  const extra = [...VALUES, "lease"].find((name) => fields[name] !== undefined);
  if (extra !== undefined) throw wrong(`${where}: "${extra}" belongs to a put`);
  if (type === "deletePrefix") return { type, prefix: key };
  return { type: type === "get" ? "get" : "delete", key };
}

function readBytes(fields: Fields, name: string, where: string): Value {
  if (name === "json") return JSON.stringify(fields.json);
  const text = textOf(fields, name, where);
  if (name === "value") return text;
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") !== text) throw wrong(`${where}.${name} is not base64`);
  return bytes;
}

function readFence(value: unknown): Fence {
  const fields = fieldsOf(value, "fence", ["lock", "token"]);
  const { token } = fields;
  // What mesh lock run has in its environment is text.
  const number = typeof token === "string" && /^\d+$/.test(token) ? Number(token) : token;
  if (!Number.isSafeInteger(number)) throw wrong("fence.token must be the token of the lock");
  return { lock: textOf(fields, "lock", "fence"), token: number as number };
}

function listOf<Item>(
  value: unknown,
  name: string,
  read: (item: unknown, where: string) => Item,
): Item[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw wrong(`"${name}" must be a list`);
  return value.map((item: unknown, at) => read(item, `${name}[${at}]`));
}

function fieldsOf(value: unknown, where: string, names: readonly string[]): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrong(`${where} must be an object`);
  }
  const unknown = Object.keys(value).find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw wrong(`${where} has ${JSON.stringify(unknown)}, which is unknown`);
  return value as Fields;
}

function onlyOne(fields: Fields, names: readonly string[], where: string): string {
  const found = names.filter((name) => fields[name] !== undefined);
  const [first] = found;
  if (first !== undefined && found.length === 1) return first;
  const list = names.join(", ");
  throw wrong(`${where} must have ${first === undefined ? "one" : "only one"} of ${list}`);
}

function textOf(fields: Fields, name: string, where: string): string {
  const value = fields[name];
  if (typeof value !== "string") throw wrong(`${where}.${name} must be a text`);
  return value;
}

function isComparison(value: unknown): value is Comparison {
  return COMPARISONS.some((one) => one === value);
}

function wrong(what: string): MeshError {
  return usageError(
    `the transaction cannot be read: ${what}`,
    "The form is in docs/key-value.md; `mesh kv txn --help` shows an example.",
  );
}

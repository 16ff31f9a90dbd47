/**
 * Records of models as they are stored, and the names that they have. Whoever may write below
 * `/models` may have written a record, so it is read with every bound.
 */
import { MeshError } from "@hearthmesh/core";
import type { Architecture, ModelShape, RopeShape } from "../model/model-shape.js";
import {
  MODEL_FILE_BYTES_MAX,
  MODEL_NAME_BYTES_MAX,
  MODEL_RECORD_BYTES_MAX,
  MODEL_SOURCE_LENGTH_MAX,
} from "./limits.js";
import type { ModelRecord } from "./model-library.js";

const NAME = /^[a-z0-9][a-z0-9._-]*$/;
const HASH = /^[0-9a-f]{64}$/;
const ARCHITECTURES: readonly Architecture[] = ["llama", "qwen2", "qwen3"];

export function isModelName(text: string): boolean {
  return text.length <= MODEL_NAME_BYTES_MAX && NAME.test(text) && !text.includes("..");
}

/** Throws `MESH_BAD_REQUEST`. */
export function checkModelName(text: string): string {
  if (isModelName(text)) return text;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `${JSON.stringify(text.slice(0, MODEL_NAME_BYTES_MAX))} is no name for a model`,
    hint: `Small letters, digits, dots, - and _; at most ${MODEL_NAME_BYTES_MAX} of them.`,
  });
}

/** As it is stored: what people see, and what the file is verified and read by. */
export interface StoredModel extends ModelRecord {
  /** SHA-256 of the list of the SHA-256s of its chunks (`MODEL_CHUNK_BYTES` each). */
  readonly hashes: string;
  /** Metadata and table of tensors: the file up to here. */
  readonly headerBytes: number;
}

/** A name out of a file name or the path of an address; undefined when nothing is left of it. */
export function modelNameFrom(fileName: string): string | undefined {
  const plain = fileName
    .replace(/\.gguf$/i, "")
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/\.{2,}/g, ".")
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, "")
    .slice(0, MODEL_NAME_BYTES_MAX);
  return isModelName(plain) ? plain : undefined;
}

export function isHash(text: string): boolean {
  return HASH.test(text);
}

export function modelRecordBytes(record: StoredModel): Uint8Array {
  return Buffer.from(`${JSON.stringify(record)}\n`);
}

/** Undefined when it is none, or one that another version wrote. */
export function parseModelRecord(bytes: Uint8Array): StoredModel | undefined {
  if (bytes.length > MODEL_RECORD_BYTES_MAX) return undefined;
  try {
    return readRecord(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch {
    return undefined;
  }
}

type Fields = Readonly<Record<string, unknown>>;

class Unreadable extends Error {}

function readRecord(value: unknown): StoredModel {
  const fields = object(value);
  if (fields.v !== 1) throw new Unreadable("version");
  const name = text(fields, "name", MODEL_NAME_BYTES_MAX);
  const id = text(fields, "id", 64);
  const hashes = text(fields, "hashes", 64);
  if (!isModelName(name) || !isHash(id) || !isHash(hashes)) throw new Unreadable("name or hash");
  const sizeBytes = count(fields, "sizeBytes", MODEL_FILE_BYTES_MAX);
  return {
    v: 1,
    name,
    id,
    hashes,
    sizeBytes,
    headerBytes: count(fields, "headerBytes", sizeBytes),
    shape: readShape(object(fields.shape)),
    quantisation: text(fields, "quantisation", 16),
    addedAtMs: count(fields, "addedAtMs", Number.MAX_SAFE_INTEGER),
    source: text(fields, "source", MODEL_SOURCE_LENGTH_MAX),
  };
}

function readShape(fields: Fields): ModelShape {
  const architecture = ARCHITECTURES.find((one) => one === fields.architecture);
  if (architecture === undefined) throw new Unreadable("architecture");
  const positive = (name: string) => {
    const value = count(fields, name, Number.MAX_SAFE_INTEGER);
    if (value === 0) throw new Unreadable(name);
    return value;
  };
  return {
    architecture,
    name: text(fields, "name", 1024),
    layers: positive("layers"),
    embeddingWidth: positive("embeddingWidth"),
    heads: positive("heads"),
    kvHeads: positive("kvHeads"),
    headWidth: positive("headWidth"),
    feedForwardWidth: positive("feedForwardWidth"),
    vocabularySize: positive("vocabularySize"),
    contextTokensMax: positive("contextTokensMax"),
    normEpsilon: number(fields, "normEpsilon"),
    rope: readRope(object(fields.rope)),
    hasAttentionBias: flag(fields, "hasAttentionBias"),
    hasQueryKeyNorm: flag(fields, "hasQueryKeyNorm"),
    hasTiedOutput: flag(fields, "hasTiedOutput"),
    feedForwardUnit: positive("feedForwardUnit"),
    kvHeadUnit: positive("kvHeadUnit"),
    weightBytes: positive("weightBytes"),
  };
}

function readRope(fields: Fields): RopeShape {
  const style = fields.style;
  if (style !== "interleaved" && style !== "halves") throw new Unreadable("rope");
  return {
    style,
    dimensions: count(fields, "dimensions", Number.MAX_SAFE_INTEGER),
    base: number(fields, "base"),
    scale: number(fields, "scale"),
    hasFactors: flag(fields, "hasFactors"),
  };
}

function object(value: unknown): Fields {
  if (typeof value === "object" && value !== null) return value as Fields;
  throw new Unreadable("object");
}

function text(fields: Fields, name: string, lengthMax: number): string {
  const value = fields[name];
  if (typeof value === "string" && value.length <= lengthMax) return value;
  throw new Unreadable(name);
}

function number(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new Unreadable(name);
}

function count(fields: Fields, name: string, most: number): number {
  const value = number(fields, name);
  if (Number.isSafeInteger(value) && value >= 0 && value <= most) return value;
  throw new Unreadable(name);
}

function flag(fields: Fields, name: string): boolean {
  const value = fields[name];
  if (typeof value === "boolean") return value;
  throw new Unreadable(name);
}

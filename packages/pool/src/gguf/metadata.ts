/** Metadata of a GGUF file by key, with the type that is needed or `MESH_MODEL_DAMAGED`. */
import type { Gguf, GgufNumber } from "./gguf.js";
import { damaged } from "./model-errors.js";

/** Undefined when the key is not there. */
export function metadataString(gguf: Gguf, key: string): string | undefined {
  const entry = gguf.metadata.get(key);
  if (entry === undefined) return undefined;
  if (entry.type !== "string") throw damaged(`${key} should be a text`);
  return entry.value;
}

export function metadataBoolean(gguf: Gguf, key: string): boolean | undefined {
  const entry = gguf.metadata.get(key);
  if (entry === undefined) return undefined;
  if (entry.type !== "bool") throw damaged(`${key} should be true or false`);
  return entry.value;
}

/** A finite number of any type. */
export function metadataNumber(gguf: Gguf, key: string): number | undefined {
  const entry = gguf.metadata.get(key);
  if (entry === undefined) return undefined;
  if (entry.type === "string" || entry.type === "bool" || entry.type === "array") {
    throw damaged(`${key} should be a number`);
  }
  const value = Number(entry.value);
  if (!Number.isFinite(value)) throw damaged(`${key} is not a finite number`);
  return value;
}

/** A whole number from `min` to `max`. */
export function metadataCount(
  gguf: Gguf,
  key: string,
  min: number,
  max: number,
): number | undefined {
  const value = metadataNumber(gguf, key);
  if (value === undefined) return undefined;
  if (!Number.isInteger(value) || value < min || value > max) {
    throw damaged(`${key} is ${value}; a whole number from ${min} to ${max} is needed`);
  }
  return value;
}

export function metadataStrings(gguf: Gguf, key: string): readonly string[] | undefined {
  const entry = gguf.metadata.get(key);
  if (entry === undefined) return undefined;
  if (entry.type !== "array" || entry.of !== "string") {
    throw damaged(`${key} should be an array of texts`);
  }
  return entry.values;
}

export function metadataNumbers(gguf: Gguf, key: string): readonly GgufNumber[] | undefined {
  const entry = gguf.metadata.get(key);
  if (entry === undefined) return undefined;
  if (entry.type !== "array" || entry.of === "string" || entry.of === "bool") {
    throw damaged(`${key} should be an array of numbers`);
  }
  return entry.values;
}

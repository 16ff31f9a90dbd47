/** The body of RFC 9457 for an error; loads neither fastify nor zod. */
import { ERROR_REGISTRY, isMeshError, MeshError } from "@hearthmesh/core";
import type { Problem } from "../contracts/common.js";

export const PROBLEM_CONTENT_TYPE = "application/problem+json; charset=utf-8";

/**
 * The body for an error. The texts are a `MeshError`'s own: anything else was turned into one by
 * `toMeshError`, so that no inner text leaves the machine.
 */
export function problemOf(error: MeshError, instance?: string): Problem {
  const { fields, ...details } = error.details ?? {};
  return {
    type: `urn:hearthmesh:error:${error.code}`,
    title: ERROR_REGISTRY[error.code].message,
    status: error.status,
    detail: error.message,
    code: error.code,
    hint: error.hint,
    ...(instance === undefined ? {} : { instance }),
    ...(isFieldList(fields) ? { errors: fields } : {}),
    ...(Object.keys(details).length === 0 ? {} : { details }),
  };
}

/** Any thrown value as the error that may be shown, where no framework throws its own. */
export function plainMeshError(error: unknown): MeshError {
  if (isMeshError(error)) return error;
  const { name } = (error ?? {}) as { name?: unknown };
  if (name === "AbortError") return new MeshError("MESH_CANCELLED");
  return new MeshError("MESH_INTERNAL", { cause: error });
}

export interface WrongField {
  field: string;
  message: string;
}

function isFieldList(value: unknown): value is WrongField[] {
  return Array.isArray(value) && value.length > 0;
}

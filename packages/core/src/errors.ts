/** The error class of the whole product. */
import { ERROR_REGISTRY, type ErrorCode, type ErrorDefinition } from "./error-registry.js";

export { ERROR_REGISTRY, type ErrorCode, type ErrorDefinition };

export interface MeshErrorOptions {
  /** More precise than the registry's sentence. Never holds a secret. */
  message?: string;
  hint?: string;
  cause?: unknown;
  /** Facts for programs, such as `{ path, limitBytes }`. */
  details?: Record<string, unknown>;
}

/** An error that a person or program outside may see: it has a code, a status and a hint. */
export class MeshError extends Error {
  override readonly name = "MeshError";
  readonly code: ErrorCode;
  readonly status: number;
  readonly exitCode: number;
  readonly hint: string;
  readonly details: Record<string, unknown> | undefined;

  constructor(code: ErrorCode, options: MeshErrorOptions = {}) {
    const definition: ErrorDefinition = ERROR_REGISTRY[code];
    super(
      options.message ?? definition.message,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = code;
    this.status = definition.status;
    this.exitCode = definition.exit;
    this.hint = options.hint ?? definition.hint;
    this.details = options.details;
  }
}

/** True for a `MeshError`, with this code when one is named; works across copies of the package. */
export function isMeshError(error: unknown, code?: ErrorCode): error is MeshError {
  return (
    error instanceof Error &&
    error.name === "MeshError" &&
    (code === undefined || (error as MeshError).code === code)
  );
}

/** What travels over a link or in an HTTP body. */
export interface ErrorRecord {
  code: ErrorCode;
  message: string;
  hint: string;
  details?: Record<string, unknown>;
}

/**
 * An error as it may leave the machine. Anything that is not a `MeshError` becomes `MESH_INTERNAL`
 * without its text, which could hold paths or secrets.
 */
export function toErrorRecord(error: unknown): ErrorRecord {
  const known = isMeshError(error) ? error : new MeshError("MESH_INTERNAL");
  const record: ErrorRecord = { code: known.code, message: known.message, hint: known.hint };
  if (known.details !== undefined) record.details = known.details;
  return record;
}

/** The reverse of `toErrorRecord`; an unknown code becomes `MESH_PROTOCOL`. */
export function fromErrorRecord(record: unknown): MeshError {
  const { code, message, hint, details } = (record ?? {}) as Partial<ErrorRecord>;
  if (typeof code !== "string" || !Object.hasOwn(ERROR_REGISTRY, code)) {
    return new MeshError("MESH_PROTOCOL", { message: `the answer has an unknown error code` });
  }
  return new MeshError(code, {
    ...(typeof message === "string" ? { message } : {}),
    ...(typeof hint === "string" ? { hint } : {}),
    ...(details !== null && typeof details === "object" ? { details } : {}),
  });
}

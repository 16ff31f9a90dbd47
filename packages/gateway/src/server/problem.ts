/** Errors as answers: RFC 9457 `application/problem+json` from any thrown value. */
import { type ErrorCode, isMeshError, MeshError } from "@hearthmesh/core";
import type { FastifyError } from "fastify";

export { PROBLEM_CONTENT_TYPE, problemOf } from "./problem-body.js";

/** What fastify and Node throw for a bad request, by their code. */
const FRAMEWORK_ERRORS: Readonly<Record<string, { code: ErrorCode; message: string }>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: { code: "MESH_BODY_TOO_LARGE", message: "the body is too large" },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    code: "MESH_BAD_REQUEST",
    message: "the body must be JSON, with the header Content-Type: application/json",
  },
  FST_ERR_CTP_EMPTY_JSON_BODY: { code: "MESH_BAD_REQUEST", message: "the body is empty" },
  FST_ERR_CTP_INVALID_JSON_BODY: { code: "MESH_BAD_REQUEST", message: "the body is not JSON" },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    code: "MESH_BAD_REQUEST",
    message: "the body is not as long as Content-Length says",
  },
  FST_ERR_BAD_URL: { code: "MESH_BAD_REQUEST", message: "the address is not percent-encoded well" },
};

/** Any thrown value as the error that may be shown. */
export function toMeshError(error: unknown): MeshError {
  if (isMeshError(error)) return error;
  const { code, name } = (error ?? {}) as Partial<FastifyError>;
  const known = typeof code === "string" ? FRAMEWORK_ERRORS[code] : undefined;
  if (known !== undefined) return new MeshError(known.code, { message: known.message });
  if (name === "AbortError") return new MeshError("MESH_CANCELLED");
  // A body parser's SyntaxError and the like: the caller's fault, said without its text.
  const { statusCode } = (error ?? {}) as Partial<FastifyError>;
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new MeshError("MESH_BAD_REQUEST", { cause: error });
  }
  return new MeshError("MESH_INTERNAL", { cause: error });
}

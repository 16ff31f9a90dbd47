/**
 * Errors in OpenAI's form, `{ error: { message, type, param, code } }`, which its clients turn into
 * exceptions by the status. The codes that those clients know stand for ours; the others are our
 * own, of `docs/errors.md`.
 */
import type { ErrorCode, MeshError } from "@hearthmesh/core";
import type { WrongField } from "../server/problem-body.js";

export interface OpenAiErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

/** Addresses under it answer in this form, also to who may not ask. */
export function isOpenAiPath(url: string): boolean {
  return url === "/v1" || url.startsWith("/v1/") || url.startsWith("/v1?");
}

const CODES: Partial<Record<ErrorCode, string>> = {
  MESH_UNAUTHENTICATED: "invalid_api_key",
  MESH_KEY_INVALID: "invalid_api_key",
  MESH_KEY_SCOPE: "insufficient_permissions",
  MESH_FORBIDDEN: "insufficient_permissions",
  MESH_MODEL_UNKNOWN: "model_not_found",
  MESH_CONTEXT_TOO_LONG: "context_length_exceeded",
  MESH_LIMIT: "rate_limit_exceeded",
};

/**
 * `details.param` and `details.openAiCode` of an error are the more precise words; `url` is what
 * was asked for.
 */
export function openAiError(error: MeshError, url = "/v1/chat/completions"): OpenAiErrorBody {
  const { code, status, details = {} } = error;
  const { param, openAiCode, fields } = details;
  const wrong = Array.isArray(fields) ? (fields as WrongField[])[0]?.field : undefined;
  return {
    error: {
      message: `${error.message.replace(/\.$/, "")}. ${error.hint}`,
      type: typeOf(status),
      param: typeof param === "string" ? param : (wrong ?? paramOf(code, url)),
      code: typeof openAiCode === "string" ? openAiCode : (CODES[code] ?? code),
    },
  };
}

function typeOf(status: number): string {
  if (status === 429) return "rate_limit_error";
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

function paramOf(code: ErrorCode, url: string): string | null {
  if (code === "MESH_MODEL_UNKNOWN") return "model";
  if (code !== "MESH_CONTEXT_TOO_LONG") return null;
  return url.startsWith("/v1/chat/") ? "messages" : "prompt";
}

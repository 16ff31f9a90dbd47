/**
 * Reads answers of the API: JSON, or a problem (RFC 9457) that becomes the `MeshError` it tells of.
 */
import { ERROR_REGISTRY, type ErrorCode, fromErrorRecord, MeshError } from "@hearthmesh/core";
import { type HttpAnswer, readText } from "./http-connection.js";

/**
 * The JSON of a success, and of a status that says as much as one, such as 503 of a health check
 * that fails; throws the problem otherwise.
 */
export async function readJson<Body>(answer: HttpAnswer, alsoGood?: number): Promise<Body> {
  const text = await readText(answer.body);
  const isGood = answer.status < 400 || (answer.status === alsoGood && !isProblem(answer));
  if (!isGood) throw problemOf(answer.status, text);
  try {
    return JSON.parse(text) as Body;
  } catch (cause) {
    throw new MeshError("MESH_PROTOCOL", { message: "the answer is not JSON", cause });
  }
}

export function isProblem({ headers }: HttpAnswer): boolean {
  return /^application\/problem\+json/.test(headers["content-type"] ?? "");
}

/** Throws the problem when the answer is one, without touching the body otherwise. */
export async function requireSuccess(answer: HttpAnswer): Promise<void> {
  if (answer.status >= 400) throw problemOf(answer.status, await readText(answer.body));
}

const STATUS_CODES: readonly (readonly [number, ErrorCode])[] = [
  [401, "MESH_UNAUTHENTICATED"],
  [403, "MESH_FORBIDDEN"],
  [404, "MESH_NOT_FOUND"],
  [412, "MESH_PATH_CHANGED"],
  [416, "MESH_RANGE_INVALID"],
  [429, "MESH_LIMIT"],
  [503, "MESH_UNREACHABLE"],
  [504, "MESH_TIMEOUT"],
];

/** An answer that is a problem document, as its error. */
export function problemOf(status: number, text: string): MeshError {
  try {
    const problem = JSON.parse(text) as Record<string, unknown>;
    if (typeof problem.code === "string" && problem.code in ERROR_REGISTRY) {
      return fromErrorRecord({ ...problem, message: withFields(problem) });
    }
  } catch {
    // Not one of our servers, or a proxy before it: the status alone has to do.
  }
  const code = STATUS_CODES.find(([known]) => known === status)?.[1] ?? "MESH_PROTOCOL";
  return new MeshError(code, { message: `the server answered with status ${status}` });
}

/** The detail, and every field that was wrong, unless it names them itself, as ours does. */
function withFields(problem: Record<string, unknown>): unknown {
  const detail = problem.detail ?? problem.title;
  if (!Array.isArray(problem.errors) || problem.errors.length === 0) return detail;
  const fields = (problem.errors as { field?: unknown; message?: unknown }[])
    .map((one) => `${String(one.field)}: ${String(one.message)}`)
    .join("; ");
  if (String(detail).includes(fields)) return detail;
  return `${String(detail)} (${fields})`;
}

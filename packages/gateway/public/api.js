/** Talks to the node that served this page. */

/** An answer that is a problem, or no answer at all (`status` 0). */
export class ApiError extends Error {
  constructor(problem, status) {
    super(problem.detail ?? "the node does not answer");
    this.code = problem.code ?? "";
    this.hint = problem.hint ?? "";
    this.status = status;
  }
}

/** The JSON of an answer. Throws `ApiError`. */
export async function api(path, { method = "GET", body, query, timeoutMs = 10_000 } = {}) {
  const response = await send(withQuery(path, query), {
    method,
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(timeoutMs),
    cache: "no-store",
  });
  const text = await response.text().catch(() => "");
  const value = parse(text);
  if (!response.ok) throw new ApiError(value, response.status);
  return value;
}

export function contentAddress(path, download = false) {
  return withQuery("/api/files/content", download ? { path, download: "1" } : { path });
}

function withQuery(path, query) {
  return query === undefined ? path : `${path}?${new URLSearchParams(query)}`;
}

async function send(address, options) {
  try {
    return await fetch(address, options);
  } catch {
    throw new ApiError({}, 0);
  }
}

export function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

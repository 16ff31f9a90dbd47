/**
 * Files through the HTTP API: for a program on the same machine as a node. Same use as
 * `FileClient`.
 */
import type { Entry, FileClient, PageOptions } from "@hearthmesh/collective";
import { limits, MeshError } from "@hearthmesh/core";
import type {
  FileEntryResponse,
  FileListResponse,
  FileRemoveResponse,
  FileWriteResponse,
} from "@hearthmesh/gateway/contracts";
import { readJson, requireSuccess } from "./answers.js";
import type { ApiClient } from "./api-client.js";
import type { HttpAnswer } from "./http-connection.js";
import { networkError } from "./network-errors.js";

/** What a file client can do, whichever way the bytes go. */
export type FileAccess = Pick<
  FileClient,
  "write" | "read" | "stat" | "list" | "makeDirectory" | "move" | "remove"
>;

type Page = Awaited<ReturnType<FileClient["listPage"]>>;
type Options = Record<string, string | undefined>;

export class HttpFiles implements FileAccess {
  readonly #api: ApiClient;

  constructor(api: ApiClient) {
    this.#api = api;
  }

  async write(
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: Parameters<FileClient["write"]>[2] = {},
  ): Promise<Entry> {
    const answer = await this.#api.send({
      method: "PUT",
      path: `/api/files/content?${query({ path })}`,
      headers: { "content-type": "application/octet-stream", ...condition(options.ifMatch) },
      body: counted(source, options.onProgress),
      signal: options.signal,
    });
    return toEntry((await readJson<FileWriteResponse>(answer)).entry);
  }

  async read(
    path: string,
    options: Parameters<FileClient["read"]>[1] = {},
  ): Promise<{ entry: Entry; stream: AsyncIterable<Uint8Array> }> {
    const { start, endInclusive, signal } = options;
    const entry = await this.stat(path, signal);
    if (entry.kind === "directory") {
      throw new MeshError("MESH_IS_A_DIRECTORY", { message: `${path} is a directory` });
    }
    const ranged = start !== undefined || endInclusive !== undefined;
    const range = `bytes=${start ?? 0}-${endInclusive ?? ""}`;
    const answer = await this.#api.send({
      method: "GET",
      path: `/api/files/content?${query({ path })}`,
      headers: ranged ? { range } : {},
      signal,
    });
    await requireSuccess(answer);
    if (answer.headers.etag !== JSON.stringify(entry.etag)) {
      answer.body.destroy();
      throw new MeshError("MESH_PATH_CHANGED", { message: `${path} was replaced meanwhile` });
    }
    return { entry, stream: bytesOf(answer.body) };
  }

  async stat(path: string, signal?: AbortSignal): Promise<Entry> {
    const target = `/api/files/stat?${query({ path })}`;
    return toEntry((await this.#json<FileEntryResponse>("GET", target, { signal })).entry);
  }

  async *list(path: string, signal?: AbortSignal): AsyncGenerator<Entry, void, undefined> {
    let after: string | undefined;
    for (;;) {
      const from: PageOptions = after === undefined ? {} : { after };
      const page = await this.listPage(path, signal === undefined ? from : { ...from, signal });
      yield* page.entries;
      const last = page.entries.at(-1);
      if (!page.more || last === undefined) return;
      after = last.name;
    }
  }

  async listPage(path: string, options: PageOptions = {}): Promise<Page> {
    const { after, signal, limit = limits.LIST_PAGE_ENTRIES_MAX } = options;
    const target = `/api/files/list?${query({ path, after, limit: String(limit) })}`;
    const { entries, more } = await this.#json<FileListResponse>("GET", target, { signal });
    return { entries: entries.map(toEntry), more };
  }

  async makeDirectory(
    path: string,
    options: { parents?: boolean; signal?: AbortSignal } = {},
  ): Promise<void> {
    const { parents, signal } = options;
    const body = parents === undefined ? { path } : { path, parents };
    await this.#json("POST", "/api/files/mkdir", { body, signal });
  }

  async move(
    from: string,
    to: string,
    options: { overwrite?: boolean; signal?: AbortSignal } = {},
  ): Promise<void> {
    const { overwrite, signal } = options;
    const body = overwrite === undefined ? { from, to } : { from, to, overwrite };
    await this.#json("POST", "/api/files/move", { body, signal });
  }

  async remove(path: string, options: Parameters<FileClient["remove"]>[1] = {}): Promise<number> {
    const recursive = options.recursive === true ? "true" : undefined;
    const permanent = options.permanent === true ? "true" : undefined;
    const target = `/api/files?${query({ path, recursive, permanent })}`;
    const headers = condition(options.ifMatch);
    const answer = await this.#json<FileRemoveResponse>("DELETE", target, {
      headers,
      signal: options.signal,
    });
    return answer.removed;
  }

  async #json<Answer>(
    method: string,
    path: string,
    options: {
      body?: object;
      headers?: Record<string, string>;
      signal?: AbortSignal | undefined;
    },
  ): Promise<Answer> {
    const { body, signal } = options;
    const type: Record<string, string> =
      body === undefined ? {} : { "content-type": "application/json" };
    const answer = await this.#api.send({
      method,
      path,
      headers: { ...type, ...options.headers },
      signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return readJson<Answer>(answer);
  }
}

function query(options: Options): string {
  return Object.entries(options)
    .flatMap(([name, value]) => (value === undefined ? [] : `${name}=${encodeURIComponent(value)}`))
    .join("&");
}

/** `ifMatch` of `FileClient.write` as headers (RFC 9110, 13.1). */
function condition(ifMatch: string | undefined): Record<string, string> {
  if (ifMatch === undefined) return {};
  if (ifMatch === "") return { "if-none-match": "*" };
  return { "if-match": ifMatch === "*" ? "*" : JSON.stringify(ifMatch) };
}

/**
 * Bytes that were handed to the local node count as safe only when it answers; this is for a bar.
 */
async function* counted(
  source: AsyncIterable<Uint8Array>,
  onProgress: ((progress: { bytesSafe: number }) => void) | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  let bytesSafe = 0;
  for await (const piece of source) {
    yield piece;
    bytesSafe += piece.length;
    onProgress?.({ bytesSafe });
  }
}

/** The bytes of an answer; when they break off, in our words. */
async function* bytesOf(body: HttpAnswer["body"]): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* body as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw networkError(error, "the answer");
  }
}

function toEntry(view: FileEntryResponse["entry"]): Entry {
  return view as unknown as Entry;
}

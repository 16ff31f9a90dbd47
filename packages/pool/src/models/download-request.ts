/** The questions and answers of a download: ranges, validators, redirects. */
import { BlockList, isIP } from "node:net";
import { MeshError } from "@hearthmesh/core";
import { type DownloadNote, validator } from "./download-note.js";
import { DOWNLOAD_REDIRECTS_MAX } from "./limits.js";

/** The part of `fetch` that is needed. */
export type HttpRequest = (
  url: string,
  init: { headers: Record<string, string>; redirect: "manual"; signal: AbortSignal },
) => Promise<Response>;

export interface AskedRange {
  readonly note: DownloadNote;
  readonly isHashKnown: boolean;
}

export type AnsweredRange =
  | { readonly kind: "complete" }
  /** Another file lies there now. */
  | { readonly kind: "restart" }
  | {
      readonly kind: "body";
      readonly from: number;
      /** Of the whole file. */
      readonly sizeBytes: number | undefined;
      readonly validators: Pick<DownloadNote, "etag" | "lastModified">;
    };

/** Something that may be different in a moment. */
class Passing extends Error {}

/** `MESH_BAD_REQUEST` unless it is an address of http or https. */
export function parseModelUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "https:" || url?.protocol === "http:") return url;
  throw new MeshError("MESH_BAD_REQUEST", { message: "models come from http and https addresses" });
}

/** Where a model came from, as people may read it: no credentials, no query, no fragment. */
export function sourceOf(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

export async function followRedirects(
  first: URL,
  asked: AskedRange,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<Response> {
  let url = first;
  for (let redirects = 0; redirects <= DOWNLOAD_REDIRECTS_MAX; redirects++) {
    const headers = { ...rangeHeaders(asked), ...credentialsOf(first, url) };
    const response = await request(withoutCredentials(url).href, {
      headers,
      redirect: "manual",
      signal,
    });
    const isRedirect = [301, 302, 303, 307, 308].includes(response.status);
    if (!isRedirect) return response;
    await response.body?.cancel();
    const location = response.headers.get("location") ?? "";
    if (!URL.canParse(location, url.href)) throw refused("redirects to nowhere", first);
    const next = new URL(location, url);
    const isWeb = next.protocol === "https:" || next.protocol === "http:";
    if (!isWeb || (url.protocol === "https:" && next.protocol === "http:")) {
      throw refused(`redirects from ${url.protocol} to ${next.protocol}`, first);
    }
    // Doors on loopback trust this machine: nobody elsewhere sends its requests there.
    if (isThisMachine(next) && !isThisMachine(url)) {
      throw refused("redirects to this machine itself", first);
    }
    url = next;
  }
  throw refused(`redirects more than ${DOWNLOAD_REDIRECTS_MAX} times`, first);
}

/** Loopback, and what is reached by this machine alone (RFC 5735, RFC 3927). */
function isThisMachine({ hostname }: URL): boolean {
  const host = hostname.replace(/^\[|\]$/g, "");
  const family = isIP(host);
  if (family === 0) return host === "localhost" || host.endsWith(".localhost");
  const own = new BlockList();
  for (const net of ["127.0.0.0", "0.0.0.0"]) own.addSubnet(net, 8, "ipv4");
  own.addSubnet("169.254.0.0", 16, "ipv4");
  for (const address of ["::1", "::"]) own.addAddress(address, "ipv6");
  return own.check(host, family === 4 ? "ipv4" : "ipv6");
}

function rangeHeaders({ note, isHashKnown }: AskedRange): Record<string, string> {
  const plain = { "accept-encoding": "identity" };
  if (note.doneBytes === 0) return plain;
  const isStrong = note.etag?.startsWith('"') === true;
  const condition = isStrong ? note.etag : note.lastModified;
  if (condition === undefined && !isHashKnown) return plain;
  const range = { ...plain, range: `bytes=${note.doneBytes}-` };
  return condition === undefined ? range : { ...range, "if-range": condition };
}

/** Those in the address, for its own origin alone. */
function credentialsOf(first: URL, url: URL): Record<string, string> {
  const { username, password, origin } = first;
  if (username === "" || url.origin !== origin) return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString("base64")}` };
}

function withoutCredentials(url: URL): URL {
  const plain = new URL(url);
  plain.username = "";
  plain.password = "";
  return plain;
}

/** Throws a plain error for what may pass, `MESH_MODEL_DOWNLOAD` for what will not. */
export function rangeOfAnswer(response: Response, note: DownloadNote, url: URL): AnsweredRange {
  const { status, headers } = response;
  const validators = {
    etag: validator(headers.get("etag")),
    lastModified: validator(headers.get("last-modified")),
  };
  const encoding = headers.get("content-encoding");
  if (encoding !== null && encoding !== "identity") {
    throw refused(`sends the file as ${encoding.slice(0, 32)}`, url);
  }
  if (status === 200) {
    return { kind: "body", from: 0, sizeBytes: countOf(headers.get("content-length")), validators };
  }
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("content-range") ?? "");
  if (status === 206 && range !== null) {
    const [, from, whole = "*"] = range;
    if (Number(from) !== note.doneBytes) throw refused("answers with another range", url);
    const kept = validators.etag === undefined ? { ...validators, etag: note.etag } : validators;
    return { kind: "body", from: note.doneBytes, sizeBytes: countOf(whole), validators: kept };
  }
  if (status === 416) {
    const whole = /^bytes \*\/(\d+)$/.exec(headers.get("content-range") ?? "")?.[1];
    if (whole !== undefined && Number(whole) === note.doneBytes) return { kind: "complete" };
    return { kind: "restart" };
  }
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    throw new Passing(`HTTP ${status}`);
  }
  throw refused(`answers with HTTP ${status}`, url);
}

function countOf(text: string | null): number | undefined {
  const value = text === null || text === "" ? Number.NaN : Number(text);
  return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function refused(what: string, url: URL): MeshError {
  return new MeshError("MESH_MODEL_DOWNLOAD", { message: `${url.host} ${what}` });
}

/** What an operator or a file says about an endpoint, checked field by field. */
import { MeshError } from "@hearthmesh/core";
import type { EndpointInput, EndpointKind, EndpointRecord } from "./endpoint-service.js";
import {
  ENDPOINT_MODELS_MAX,
  ENDPOINT_REQUESTS_AT_ONCE_DEFAULT,
  ENDPOINT_REQUESTS_AT_ONCE_MAX,
  ENDPOINT_URL_BYTES_MAX,
  MODEL_NAME_BYTES_MAX,
} from "./limits.js";

const KINDS: readonly EndpointKind[] = ["ollama", "llamacpp", "vllm", "openai"];
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** Printable, without white space: names of models stand in JSON and on screens. */
const MODEL = /^[\p{L}\p{N}\p{P}\p{S}]+$/u;
const PATH_CHARACTERS_MAX = 4_096;

/** `MESH_BAD_REQUEST` says which field is wrong and how it should be. */
export function parseEndpoint(input: unknown): EndpointRecord {
  const given = (input ?? {}) as Record<keyof EndpointInput, unknown>;
  const { name, kind = "openai", models = [], keyFile } = given;
  if (typeof name !== "string" || !NAME.test(name)) {
    throw wrong(`${quoted(name)} is no name for an endpoint`, "Use 1 to 63 of a-z, 0-9 and `-`.");
  }
  const known = KINDS.find((one) => one === kind);
  if (known === undefined) {
    throw wrong(`${quoted(kind)} is no kind of endpoint`, `There are: ${KINDS.join(", ")}.`);
  }
  const url = baseUrl(given.url, keyFile !== undefined);
  return {
    v: 1,
    name,
    url: url.href.replace(/\/$/, ""),
    kind: known,
    models: modelsOf(models),
    requestsAtOnce: atOnceOf(given.requestsAtOnce ?? ENDPOINT_REQUESTS_AT_ONCE_DEFAULT),
    ...(keyFile === undefined ? {} : { keyFile: keyFileOf(keyFile) }),
  };
}

/** Whether it is a name that a server may give to a model; others are left out of its list. */
export function isModelName(value: unknown): value is string {
  return (
    typeof value === "string" &&
    Buffer.byteLength(value) <= MODEL_NAME_BYTES_MAX &&
    MODEL.test(value)
  );
}

export function isThisMachine({ hostname }: URL): boolean {
  const host = hostname.replace(/^\[|\]$/g, "");
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** `/v1` is added to an address without a path. */
function baseUrl(given: unknown, hasKey: boolean): URL {
  const text = typeof given === "string" && given.length <= ENDPOINT_URL_BYTES_MAX ? given : "";
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw wrong(`${quoted(given)} is no address of a server`, "Such as http://127.0.0.1:11434.");
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw wrong(
      "the address of an endpoint has no user, password, query or fragment",
      "A key stands in a file of its own: --key-file.",
    );
  }
  if (hasKey && url.protocol === "http:" && !isThisMachine(url)) {
    throw wrong(
      "the key would go over the network in plaintext",
      "Use https:// for a server on another machine that wants a key.",
    );
  }
  const path = url.pathname.replace(/\/+$/, "");
  url.pathname = path === "" ? "/v1" : path;
  return url;
}

function modelsOf(given: unknown): readonly string[] {
  if (!Array.isArray(given) || given.length > ENDPOINT_MODELS_MAX) {
    throw wrong(`models are a list of at most ${ENDPOINT_MODELS_MAX}`);
  }
  for (const model of given) {
    if (!isModelName(model)) throw wrong(`${quoted(model)} is no name of a model`);
  }
  return [...new Set(given as string[])];
}

function atOnceOf(given: unknown): number {
  if (Number.isInteger(given)) {
    const value = given as number;
    if (value >= 1 && value <= ENDPOINT_REQUESTS_AT_ONCE_MAX) return value;
  }
  throw wrong(`an endpoint takes 1 to ${ENDPOINT_REQUESTS_AT_ONCE_MAX} requests at a time`);
}

function keyFileOf(given: unknown): string {
  const fits = typeof given === "string" && given !== "" && given.length <= PATH_CHARACTERS_MAX;
  if (fits && given.startsWith("/")) return given;
  throw wrong("the key's file is named by its whole path");
}

function quoted(value: unknown): string {
  return JSON.stringify(String(value).slice(0, 80));
}

function wrong(message: string, hint?: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", { message, ...(hint === undefined ? {} : { hint }) });
}

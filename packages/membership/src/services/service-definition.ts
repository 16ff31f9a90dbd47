/** A service that runs on this node, and the check of what an operator or a file says about one. */
import { isIP } from "node:net";
import { limits, MeshError } from "@hearthmesh/core";
import {
  HEALTH_INTERVAL_MS_DEFAULT,
  HEALTH_INTERVAL_MS_MAX,
  HEALTH_INTERVAL_MS_MIN,
  HEALTH_PATH_BYTES_MAX,
  HEALTH_TIMEOUT_MS_DEFAULT,
  HEALTH_TIMEOUT_MS_MAX,
  HEALTH_TIMEOUT_MS_MIN,
  SERVICE_HOST_BYTES_MAX,
} from "./limits.js";

export type ServiceProtocol = "http" | "tcp";

/** How it is found out whether a service works. */
export interface ServiceHealthCheck {
  /** `tcp`: it accepts a connection. `http`: it answers `GET path` with a status below 500. */
  readonly kind: "tcp" | "http";
  /** With the query, as in a request line. */
  readonly path: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

export interface ServiceDefinition {
  /** Lower case, 1 to 63 characters, unique on its node. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly protocol: ServiceProtocol;
  readonly capabilities: readonly string[];
  readonly health: ServiceHealthCheck;
}

/** What an operator says; everything else has a default. */
export interface ServiceInput {
  readonly name: string;
  /** Default 127.0.0.1. */
  readonly host?: string | undefined;
  readonly port: number;
  /** Default `http`. */
  readonly protocol?: ServiceProtocol | undefined;
  readonly capabilities?: readonly string[] | undefined;
  /** Default: `tcp` every 5 s, 2 s for an answer. A `path` alone means `http`. */
  readonly health?: Partial<ServiceHealthCheck> | undefined;
}

const SERVICE_NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const CAPABILITY = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
const HOST_NAME = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/i;
/** Printable ASCII without white space: nothing that could end a request line. */
const REQUEST_PATH = /^\/[\x21-\x7e]*$/;

/** The whole definition; `MESH_BAD_REQUEST` says which field is wrong and how it should be. */
export function parseService(input: unknown): ServiceDefinition {
  const given = (input ?? {}) as Record<keyof ServiceInput, unknown>;
  const protocol = given.protocol ?? "http";
  if (protocol !== "http" && protocol !== "tcp") {
    throw wrong("the protocol of a service is `http` or `tcp`");
  }
  return {
    name: nameOf(given.name),
    host: hostOf(given.host ?? "127.0.0.1"),
    port: portOf(given.port),
    protocol,
    capabilities: capabilitiesOf(given.capabilities ?? []),
    health: healthOf(given.health ?? {}, protocol),
  };
}

function nameOf(name: unknown): string {
  if (typeof name === "string" && SERVICE_NAME.test(name)) return name;
  throw wrong(
    `${quoted(name)} is not a name for a service`,
    "Use 1 to 63 of a-z, 0-9 and `-`, such as `ollama`.",
  );
}

/** Where the service listens: any address, but not one that stands for all of them. */
function hostOf(host: unknown): string {
  const text = typeof host === "string" ? host.replace(/^\[(.*)\]$/, "$1") : "";
  const known = isIP(text) !== 0 || (text.length <= SERVICE_HOST_BYTES_MAX && HOST_NAME.test(text));
  if (!known) {
    throw wrong(
      `${quoted(host)} is not a host`,
      "Name an address or a host name without the port; 127.0.0.1 is this machine.",
    );
  }
  if (text === "0.0.0.0" || /^[0:]+$/.test(text)) {
    throw wrong(
      `${text} stands for every address and is none to connect to`,
      "Use 127.0.0.1 for a service of this machine.",
    );
  }
  return text.toLowerCase();
}

function portOf(port: unknown): number {
  if (typeof port === "number" && Number.isInteger(port) && port >= 1 && port <= 65_535) {
    return port;
  }
  throw wrong(`${quoted(port)} is not a port`, "A port is a whole number from 1 to 65535.");
}

function capabilitiesOf(given: unknown): readonly string[] {
  if (!Array.isArray(given) || given.length > limits.CAPABILITIES_MAX) {
    throw wrong(`capabilities are a list of at most ${limits.CAPABILITIES_MAX}`);
  }
  for (const one of given) {
    const fits = typeof one === "string" && one.length <= limits.CAPABILITY_BYTES_MAX;
    if (fits && CAPABILITY.test(one)) continue;
    throw wrong(
      `${quoted(one)} is not a capability`,
      `Use 1 to ${limits.CAPABILITY_BYTES_MAX} of a-z, 0-9 and \`-\`, such as \`ai\`.`,
    );
  }
  return [...new Set(given as string[])].sort();
}

function healthOf(given: unknown, protocol: ServiceProtocol): ServiceHealthCheck {
  const {
    path,
    kind = path === undefined ? "tcp" : "http",
    intervalMs = HEALTH_INTERVAL_MS_DEFAULT,
    timeoutMs = HEALTH_TIMEOUT_MS_DEFAULT,
  } = given as Record<keyof ServiceHealthCheck, unknown>;
  if (kind !== "tcp" && kind !== "http") throw wrong("a health check is `tcp` or `http`");
  if (kind === "http" && protocol === "tcp") {
    throw wrong("a service of the protocol `tcp` cannot be asked over HTTP how it is");
  }
  const request = path ?? "/";
  if (typeof request !== "string" || !REQUEST_PATH.test(request)) {
    throw wrong(`${quoted(path)} is not a path`, "A path starts with `/` and has no spaces.");
  }
  if (request.length > HEALTH_PATH_BYTES_MAX) throw wrong("the path of a health check is too long");
  return {
    kind,
    path: request,
    intervalMs: timeOf("interval", intervalMs, HEALTH_INTERVAL_MS_MIN, HEALTH_INTERVAL_MS_MAX),
    timeoutMs: timeOf("timeout", timeoutMs, HEALTH_TIMEOUT_MS_MIN, HEALTH_TIMEOUT_MS_MAX),
  };
}

function timeOf(what: string, value: unknown, minMs: number, maxMs: number): number {
  if (typeof value === "number" && value >= minMs && value <= maxMs) return value;
  throw wrong(`the ${what} of a health check is ${minMs} to ${maxMs} milliseconds`);
}

function quoted(value: unknown): string {
  return JSON.stringify(String(value).slice(0, 80));
}

function wrong(message: string, hint?: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", { message, ...(hint === undefined ? {} : { hint }) });
}

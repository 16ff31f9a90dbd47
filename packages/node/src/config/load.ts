/**
 * Flags, then environment, then `.env`, then `mesh.yaml`, then defaults: the first that has a value
 * wins. Every problem is reported at once, with the place where the value stands.
 */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { parseEnv } from "node:util";
import { isMeshError } from "@hearthmesh/core";
import { issueWords } from "@hearthmesh/gateway/plain";
import type { NodeRole } from "@hearthmesh/identity";
import type {
  AiConfig,
  Config,
  HostPort,
  MeshConfig,
  OverlayConfig,
  StoreConfig,
} from "./config.js";
import {
  ADDRESS_VARIABLES,
  CONFIG_KEYS,
  type ConfigKey,
  type ConfigKeyName,
  DEFAULT_PORT_KEYS,
  refuseConfig,
} from "./keys.js";
import { reasons, shownInput } from "./refusal-words.js";

type Flags = Readonly<Record<string, string | string[] | boolean | undefined>>;

export interface ConfigSources {
  flags: Flags;
  env: Readonly<Record<string, string | undefined>>;
  /** Where `.env` is looked for. */
  cwd: string;
}

interface EffectiveValue {
  value: unknown;
  /** `flag --name`, `variable NAME`, `.env NAME`, a file's path, or `default`. */
  origin: string;
}

export interface LoadedConfig {
  config: Config;
  effective: ReadonlyMap<ConfigKeyName | "home", EffectiveValue>;
}

const keyNames = Object.keys(CONFIG_KEYS) as ConfigKeyName[];

/** Reads and checks all sources. Throws `MESH_CONFIG_INVALID` that names every bad value. */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const dotEnv = readDotEnv(sources.cwd);
  const home = findHome(sources, dotEnv);
  const file = readFile(sources, String(home.value));
  const problems: string[] = [...file.problems];
  const effective = new Map<ConfigKeyName | "home", EffectiveValue>([["home", home]]);
  for (const name of keyNames) {
    const raw = rawValue(name, sources, dotEnv, file);
    if (raw === undefined) continue;
    const checked = CONFIG_KEYS[name].form.safeParse(raw.value, { error: issueWords });
    if (checked.success) effective.set(name, { value: checked.data, origin: raw.origin });
    else {
      const shown = isSecret(name) ? "a secret" : shownInput(raw.value);
      problems.push(`${name} = ${shown} (${raw.origin}): ${reasons(checked.error.issues)}`);
    }
  }
  shiftPorts(effective, problems);
  openHttp(effective, problems);
  const acks = effective.get("collective.acks")?.value as number;
  const replicas = effective.get("collective.replicas")?.value as number;
  if (acks > replicas) problems.push(`collective.acks ${acks} is more than ${replicas} replicas`);
  if (problems.length > 0) refuseConfig(problems);
  return { config: toConfig(effective), effective };
}

function readDotEnv(cwd: string): Readonly<Record<string, string | undefined>> {
  const path = join(cwd, ".env");
  return existsSync(path) ? parseEnv(readFileSync(path, "utf8")) : {};
}

function findHome(
  sources: ConfigSources,
  dotEnv: Readonly<Record<string, string | undefined>>,
): EffectiveValue {
  const absolute = (path: string) => (isAbsolute(path) ? path : resolve(sources.cwd, path));
  const flag = sources.flags.home;
  if (typeof flag === "string") return { value: absolute(flag), origin: "flag --home" };
  for (const [values, label] of [
    [sources.env, "variable"],
    [dotEnv, ".env"],
  ] as const) {
    for (const name of ["MESH_HOME", "COLLECTIVE_DATA_DIR"]) {
      const value = values[name];
      if (value) return { value: absolute(value), origin: `${label} ${name}` };
    }
  }
  return { value: join(homedir(), ".meshnet"), origin: "default" };
}

interface ConfigFile {
  path: string;
  values: ReadonlyMap<string, unknown>;
  problems: string[];
}

function readFile(sources: ConfigSources, home: string): ConfigFile {
  const named = sources.flags.config ?? sources.env.MESH_CONFIG;
  const path = typeof named === "string" ? resolve(sources.cwd, named) : join(home, "mesh.yaml");
  const file: ConfigFile = { path, values: new Map(), problems: [] };
  if (!existsSync(path)) {
    if (typeof named === "string") file.problems.push(`the file ${path} does not exist`);
    return file;
  }
  try {
    // Loaded late: most nodes have no such file, and their memory is counted.
    const { parse } = createRequire(import.meta.url)("yaml") as typeof import("yaml");
    file.values = flatten(parse(readFileSync(path, "utf8")));
  } catch (error) {
    file.problems.push(`${path} is not YAML: ${(error as Error).message.split("\n")[0]}`);
  }
  for (const name of file.values.keys()) {
    if (!(name in CONFIG_KEYS)) file.problems.push(`${name} (${path}) is not a known key`);
  }
  return file;
}

/** Sections of the file that may be written as one word. */
const LONG_NAMES: Readonly<Record<string, ConfigKeyName>> = { overlay: "overlay.type" };

function flatten(value: unknown, prefix = ""): Map<string, unknown> {
  const result = new Map<string, unknown>();
  if (value === null || typeof value !== "object" || Array.isArray(value)) return result;
  for (const [name, item] of Object.entries(value)) {
    const path = prefix === "" ? name : `${prefix}.${name}`;
    if (item !== null && typeof item === "object" && !Array.isArray(item)) {
      for (const [inner, leaf] of flatten(item, path)) result.set(inner, leaf);
    } else if (item !== null && item !== undefined) result.set(LONG_NAMES[path] ?? path, item);
  }
  return result;
}

function rawValue(
  name: ConfigKeyName,
  sources: ConfigSources,
  dotEnv: Readonly<Record<string, string | undefined>>,
  file: ConfigFile,
): EffectiveValue | undefined {
  const definition = CONFIG_KEYS[name];
  const flag =
    definition.flag === ""
      ? undefined
      : (sources.flags[definition.flag] ?? listenFlag(name, sources.flags));
  if (flag !== undefined) return { value: flag, origin: `flag --${definition.flag}` };
  const variable =
    fromVariables(name, sources.env, "variable") ?? fromVariables(name, dotEnv, ".env");
  if (variable !== undefined) return variable;
  if (file.values.has(name)) return { value: file.values.get(name), origin: file.path };
  return definition.default === "" ? undefined : { value: definition.default, origin: "default" };
}

/** `--listen HOST` stands for the three doors that other machines use. */
function listenFlag(name: ConfigKeyName, flags: Flags): string | undefined {
  const doors: readonly ConfigKeyName[] = ["api.host", "links.host", "enrolment.host"];
  return doors.includes(name) && typeof flags.listen === "string" ? flags.listen : undefined;
}

function fromVariables(
  name: ConfigKeyName,
  values: Readonly<Record<string, string | undefined>>,
  label: string,
): EffectiveValue | undefined {
  for (const variable of CONFIG_KEYS[name].variables) {
    const value = values[variable];
    if (value !== undefined && value !== "") return { value, origin: `${label} ${variable}` };
  }
  for (const [variable, [hostKey, portKey]] of Object.entries(ADDRESS_VARIABLES)) {
    const match = /^(.*):(\d+)$/.exec(values[variable] ?? "");
    const value = match === null ? undefined : { [hostKey]: match[1], [portKey]: match[2] }[name];
    if (value) return { value, origin: `${label} ${variable}` };
  }
  return undefined;
}

function shiftPorts(effective: Map<string, EffectiveValue>, problems: string[]): void {
  const base = effective.get("portBase")?.value;
  if (typeof base !== "number" || base === 0) return;
  for (const name of DEFAULT_PORT_KEYS) {
    const entry = effective.get(name);
    if (entry?.origin !== "default") continue;
    const value = Number(entry.value) + base;
    if (value > 65_535) problems.push(`portBase ${base} moves ${name} beyond 65535`);
    effective.set(name, { value, origin: `default + ${base} (portBase)` });
  }
}

/** Guide 1: who sets MESH_ENABLED=true wants port 3000 to be reached. Keys guard it. */
function openHttp(effective: Map<string, EffectiveValue>, problems: string[]): void {
  const host = effective.get("http.host");
  const isOpen = effective.get("mesh.enabled")?.value === "true";
  if (isOpen && host?.origin === "default") {
    effective.set("http.host", { value: "0.0.0.0", origin: "default with MESH_ENABLED=true" });
  }
  if (!isOpen && !["127.0.0.1", "::1", "localhost"].includes(String(host?.value))) {
    problems.push(
      `http.host = ${JSON.stringify(host?.value)} (${host?.origin}): ` +
        "only MESH_ENABLED=true opens this port to other machines, for callers with an API key",
    );
  }
}

function isSecret(name: ConfigKeyName): boolean {
  return (CONFIG_KEYS[name] as ConfigKey).isSecret === true;
}

function toConfig(effective: ReadonlyMap<ConfigKeyName | "home", EffectiveValue>): Config {
  const get = <T>(name: ConfigKeyName): T => effective.get(name)?.value as T;
  const home = String(effective.get("home")?.value);
  const door = (host: ConfigKeyName, port: ConfigKeyName) => ({
    host: get<string>(host),
    port: get<number>(port),
  });
  const published = (own: HostPort, name: ConfigKeyName): HostPort => {
    const addresses = get<readonly string[] | undefined>(name);
    return addresses === undefined ? own : { ...own, published: addresses };
  };
  return {
    home,
    certificatesDirectory: get<string | undefined>("certificates") ?? join(home, "certs"),
    memberId: get("member.id"),
    trustDomain: get("member.domain"),
    nodeName: get("node.name"),
    roles: get<readonly NodeRole[] | undefined>("node.roles"),
    site: get("node.site"),
    advertise: get<readonly string[] | undefined>("node.advertise") ?? [],
    http: door("http.host", "http.port"),
    httpViewers: get<readonly string[] | undefined>("http.viewers") ?? [],
    api: published(door("api.host", "api.port"), "api.advertise"),
    links: published(door("links.host", "links.port"), "links.advertise"),
    enrolment: published(door("enrolment.host", "enrolment.port"), "enrolment.advertise"),
    nodeInviteFile: get("enrolment.nodeInviteFile"),
    metrics: door("metrics.host", "metrics.port"),
    capacityBytes: get("storage.capacity"),
    packBytesMax: get("storage.packSize"),
    replicas: get("collective.replicas"),
    acks: get("collective.acks"),
    repairIntervalMs: get("collective.repairInterval"),
    nodeLostMs: get("collective.nodeLost"),
    garbageGraceMs: get("collective.garbageGrace"),
    backupIntervalMs: get("backup.interval"),
    trashRetentionMs: get("files.trashRetention"),
    layoutAutoJoin: get("layout.autoJoin"),
    mesh: meshConfig(get),
    overlay: overlayConfig(get),
    store: storeConfig(get),
    ai: aiConfig(get),
    poolCapacity: get("pool.capacity"),
    healingMode: get("healing.mode"),
    logLevel: get("log.level"),
  };
}

function meshConfig(get: <T>(name: ConfigKeyName) => T): MeshConfig {
  return {
    enabled: get("mesh.enabled"),
    hubs: get<readonly string[] | undefined>("mesh.hubs") ?? [],
    token: get("mesh.token"),
    tokenFile: get("mesh.tokenFile"),
    peers: get<readonly string[] | undefined>("mesh.peers") ?? [],
    serveAsHub: get("mesh.serveAsHub"),
    profile: get("mesh.profile"),
    capabilities: get("node.capabilities"),
    beacon: { enabled: get("beacon.enabled"), port: get("beacon.port") },
    membership: {
      host: get("membership.host"),
      port: get("membership.port"),
      udp: get("membership.udp"),
    },
    relay: {
      enabled: get("relay.enabled"),
      streamsPerPeerMax: get("relay.streams"),
      bytesPerSecond: get("relay.rate"),
      streamBytesMax: get("relay.bytes"),
      streamTimeMsMax: get("relay.time"),
    },
  };
}

function overlayConfig(get: <T>(name: ConfigKeyName) => T): OverlayConfig {
  const uris = (name: ConfigKeyName) => get<readonly string[] | undefined>(name) ?? [];
  const peers = uris("overlay.peers");
  const listen = uris("overlay.listen");
  const type = get<OverlayConfig["type"] | "auto">("overlay.type");
  const isNamed = peers.length + listen.length > 0;
  return {
    type: type === "auto" ? (isNamed ? "yggdrasil" : "none") : type,
    peers,
    listen,
    allowedKeys: uris("overlay.allowedKeys"),
    interfaceName: get("overlay.interface"),
    multicast: get("overlay.multicast"),
    configFile: get("overlay.configFile"),
    adminSocket: get("overlay.adminListen"),
  };
}

function storeConfig(get: <T>(name: ConfigKeyName) => T): StoreConfig {
  return {
    engine: get("store.engine"),
    endpoints: get<readonly string[] | undefined>("store.endpoints") ?? [],
    caFile: get("store.ca"),
    certificateFile: get("store.certificate"),
    keyFile: get("store.key"),
    user: get("store.user"),
    passwordFile: get("store.passwordFile"),
    client: { host: get("store.host"), port: get("store.clientPort") },
    peer: { host: get("store.host"), port: get("store.peerPort") },
    votersMax: get("store.members"),
    electionTimeoutMs: get("store.electionTimeout"),
    leaseTimeMs: get("store.leaseTime"),
    memberLostMs: get("store.memberLost"),
    quotaBytes: get("store.quota"),
    snapshotIntervalMs: get("store.snapshotInterval"),
    snapshotsKept: get("store.snapshotsKept"),
  };
}

function aiConfig(get: <T>(name: ConfigKeyName) => T): AiConfig {
  return {
    enabled: get("ai.enabled"),
    engine: get("ai.engine"),
    threads: get("ai.threads"),
    memoryBytesMax: get("ai.memory"),
    contextTokens: get("ai.contextTokens"),
    sequencesMax: get("ai.sequences"),
    idleUnloadMs: get("ai.idleUnload"),
    modelCacheBytes: get("ai.modelCache"),
    tensor: { host: get("ai.tensorHost"), port: get("ai.tensorPort") },
  };
}

function shownValue(name: ConfigKeyName | "home", value: unknown): unknown {
  if (value === undefined) return null;
  return name !== "home" && isSecret(name) ? "(secret)" : value;
}

/** For `mesh config show`: every key with its value and origin, also when the rest is not valid. */
export function describeConfig(sources: ConfigSources): {
  keys: readonly { key: string; value: unknown; origin: string; about: string }[];
  problem?: string;
} {
  try {
    const { effective } = loadConfig(sources);
    const keys = ["home" as const, ...keyNames].map((name) => ({
      key: name,
      value: shownValue(name, effective.get(name)?.value),
      origin: effective.get(name)?.origin ?? "chosen at the first start",
      about:
        name === "home" ? "Directory of everything that the node keeps." : CONFIG_KEYS[name].about,
    }));
    return { keys };
  } catch (error) {
    if (isMeshError(error, "MESH_CONFIG_INVALID")) return { keys: [], problem: error.message };
    throw error;
  }
}

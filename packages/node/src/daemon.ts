/** `mesh up`: from the configuration to a set of started parts, until a signal ends it. */
import { setFlagsFromString } from "node:v8";
import {
  errorFields,
  type Logger,
  MeshError,
  type Startable,
  startAll,
  systemClock,
  systemRandom,
} from "@hearthmesh/core";
import { formatEndpoint } from "@hearthmesh/identity";
import type { Config, HostPort } from "./config/config.js";
import { type ConfigSources, loadConfig } from "./config/load.js";
import { createMember } from "./create-member.js";
import { type NodeRecord, readNodeRecord } from "./home.js";
import { lockHome } from "./home-lock.js";
import { openLogger } from "./logger.js";
import { joinHub } from "./mesh/join-hub.js";
import { joinTokenFile } from "./mesh/join-token-file.js";
import { openOverlay, withOverlay } from "./overlay/open-overlay.js";
import { withPreparation } from "./pool/preparation.js";
import { checkPorts, type WantedPort } from "./port-check.js";
import { RunningFile } from "./running-file.js";
import { SystemdNotifier, takeNotifyTarget } from "./service-manager/systemd-notifier.js";
import { exitSoon, stopParts } from "./stop-parts.js";
import type { NodeTools, Tools } from "./tools.js";
import { NodeTraces } from "./trace/node-traces.js";
import { VERSION } from "./version.js";

export interface DaemonOptions extends ConfigSources {
  /** Of the file in `logs/`; default `node`. */
  readonly logName?: string;
}

/**
 * Runs the node in the foreground until SIGINT or SIGTERM. Throws what kept it from starting; then
 * nothing is left open, and a first start that failed leaves no half-made node.
 */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const { config } = loadConfig(options);
  const lock = await lockHome(config.home);
  const traces = new NodeTraces();
  const { logger, flush } = openLogger({
    traceId: () => traces.traceId,
    home: config.home,
    name: options.logName,
    level: config.logLevel,
    terminal: process.stderr,
  });
  // Timers of the clock do not keep a process alive, and a node that waits for its disk while it
  // starts, or that has no peers later, has nothing else.
  const alive = setInterval(() => undefined, 2 ** 30);
  try {
    await runLocked(config, logger, traces);
  } catch (error) {
    logger.error("the node cannot run", errorFields(error));
    throw error;
  } finally {
    clearInterval(alive);
    await lock.release();
    flush();
  }
}

async function runLocked(config: Config, log: Logger, traces: NodeTraces): Promise<void> {
  const tools: Tools = { clock: systemClock(), random: systemRandom(), log, traces };
  const manager = openNotifier(tools);
  await manager?.status("starting");
  const present = await readNodeRecord(config.home);
  const roles = config.roles ?? present?.roles ?? ["coordinator", "storage", "gateway", "ai"];
  await checkPorts(wantedPorts(config, roles.includes("coordinator")));
  const made = present ?? (await becomeNode(config, tools));
  const record = withRoles(made, config);
  const overlay = openOverlay(config, process.env.PATH, tools);
  const parts = await buildParts(withOverlay(config, overlay), record, { ...tools, overlay });
  // From here on children run, which a signal in the middle of the start must not leave behind.
  const stopped = untilSignal();
  await startAll(parts);
  // The command line kept the heap small while it grew by itself; under work that costs a
  // coordinator a quarter more processor time.
  setFlagsFromString("--no-optimize-for-size");
  log.info("the node is up", { nodeName: record.name, nodeId: record.nodeId });
  process.stdout.write(banner(config, record, present === undefined));
  await manager?.ready(`node ${record.name} of ${record.memberId} is up`);
  const signal = await stopped;
  log.info("stopping", { reason: signal });
  await manager?.stopping();
  await stopParts(parts, tools);
  exitSoon(tools);
}

/** Undefined unless systemd started this process and asked to be told. */
function openNotifier({ clock, log }: Tools): SystemdNotifier | undefined {
  const target = takeNotifyTarget(process.env, process.pid);
  if (target === undefined) return undefined;
  return new SystemdNotifier({ target, searchPath: process.env.PATH, clock, log });
}

/** With an invite that the configuration names, else as the first node of a new member. */
async function becomeNode(config: Config, tools: Tools): Promise<NodeRecord> {
  const prepared = await withPreparation(config);
  const joined = (await joinTokenFile(prepared, tools)) ?? (await joinHub(prepared));
  return joined ?? createMember(prepared, tools);
}

async function buildParts(
  config: Config,
  record: NodeRecord,
  tools: NodeTools,
): Promise<Startable[]> {
  // Loaded late: a storage node does not need the web framework, nor a coordinator its absence.
  const parts = record.roles.includes("coordinator")
    ? await (await import("./coordinator-node.js")).coordinatorNode(config, record, tools)
    : await (await import("./storage-only-node.js")).storageOnlyNode(config, record, tools);
  const running = new RunningFile(config.home, {
    httpUrl: record.roles.includes("coordinator") ? pageUrl(config) : undefined,
    nodeUrl: pageUrl(config),
    enrolment: record.roles.includes("coordinator") ? ownAddress(config.enrolment) : undefined,
    pid: process.pid,
  });
  // First, so that its address is known when others are told; it ends after the links over it.
  return [...(tools.overlay === undefined ? [] : [tools.overlay]), ...parts, running];
}

/** The configuration may take roles away from a node, and give them to a coordinator. */
function withRoles(record: NodeRecord, config: Config): NodeRecord {
  if (config.roles === undefined) return record;
  const isCoordinator = record.roles.includes("coordinator");
  const refused = config.roles.filter((role) => !isCoordinator && !record.roles.includes(role));
  if (refused.length > 0 || (isCoordinator && !config.roles.includes("coordinator"))) {
    throw new MeshError("MESH_CONFIG_INVALID", {
      message: isCoordinator
        ? `${record.name} is the coordinator of ${record.memberId} and must keep that role`
        : `${record.name} was not invited as ${refused.join(" and ")}`,
      hint:
        "The invite says which roles a node may have: " +
        "`mesh invite generate --node --role ...`.",
    });
  }
  return { ...record, roles: config.roles };
}

function wantedPorts(config: Config, isCoordinator: boolean): WantedPort[] {
  const { udp, ...membership } = config.mesh.membership;
  const datagrams: WantedPort = {
    ...membership,
    protocol: "udp",
    flag: "membership-port",
    purpose: "membership (UDP)",
  };
  const always = [
    ...(udp && config.mesh.enabled !== "false" ? [datagrams] : []),
    { ...config.http, flag: "http-port", purpose: "the page and the local API" },
    { ...config.links, flag: "link-port", purpose: "links" },
    { ...config.metrics, flag: "metrics-port", purpose: "metrics" },
  ];
  if (!isCoordinator) return always;
  return [
    ...always,
    { ...config.api, flag: "api-port", purpose: "the API" },
    { ...config.enrolment, flag: "enrol-port", purpose: "enrolment" },
  ];
}

/** For people and commands on this machine, also when the port is open to others. */
function pageUrl({ http }: Config): string {
  return `http://${ownAddress(http)}`;
}

function ownAddress({ host, port }: HostPort): string {
  return formatEndpoint({ host: ["0.0.0.0", "::"].includes(host) ? "127.0.0.1" : host, port });
}

function banner(config: Config, record: NodeRecord, isNew: boolean): string {
  const isCoordinator = record.roles.includes("coordinator");
  const roles = record.roles.join(", ");
  const lines = [
    "",
    `  Hearthmesh ${VERSION}: node ${record.name} of ${record.memberId} (${roles})`,
    ...(isCoordinator ? [`  Page:  ${pageUrl(config)}/`] : []),
    `  Data:  ${config.home}`,
    ...(isCoordinator && isNew
      ? [
          "",
          "  Next:  mesh status",
          "         mesh mkdir /shared",
          "         mesh invite generate --node          (another machine of yours)",
          '         mesh invite generate --grant "/shared:read+write"   (a friend)',
        ]
      : []),
    "",
  ];
  return `${lines.join("\n")}\n`;
}

function untilSignal(): Promise<string> {
  return new Promise((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
}

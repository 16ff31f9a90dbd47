/**
 * `mesh-relay`: a relay in a process of its own, beside the node of this machine or alone on a
 * machine that all members can reach. It is a node of the member with its own key in
 * `MESH_HOME/relay`; the others find it by gossip, keep a link to it, and reach each other through
 * it where they have no direct path.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { readIfThere } from "@hearthmesh/client/private-files";
import {
  errorFields,
  type Logger,
  startAll,
  stopAll,
  systemClock,
  systemRandom,
} from "@hearthmesh/core";
import type { Config } from "../config/config.js";
import { type ConfigSources, loadConfig } from "../config/load.js";
import { type NodeRecord, nodeFiles, readNodeRecord } from "../home.js";
import { lockHome } from "../home-lock.js";
import { openLogger } from "../logger.js";
import { joinTokenFile } from "../mesh/join-token-file.js";
import { checkPorts } from "../port-check.js";
import { stopSignal } from "../stop-signal.js";
import type { Tools } from "../tools.js";
import { VERSION } from "../version.js";
import { enrolRelay } from "./relay-invite.js";
import { relayNode } from "./relay-node.js";

export interface RelayOptions extends ConfigSources {
  /** TCP for links, and the same number in UDP for membership. */
  readonly port: number;
  readonly host: string;
}

/** What it keeps for one member; all of it is made anew when that is gone. */
const OWN_FILES = [
  ...["node.json", "certs", "secrets", "membership.json"],
  ...["services.json", "revocations.json", "peers.json"],
];

/**
 * Runs the relay in the foreground until SIGINT or SIGTERM. Throws `MESH_PORT_TAKEN`,
 * `MESH_HOME_IN_USE`, and what keeps it from joining.
 */
export async function runRelay(options: RelayOptions): Promise<void> {
  const { config: own } = loadConfig(options);
  const config = relayConfig(options, own);
  await checkPorts([
    { ...config.links, flag: "port", purpose: "links to the relay" },
    { ...config.mesh.membership, protocol: "udp", flag: "port", purpose: "membership (UDP)" },
  ]);
  const lock = await lockHome(config.home);
  const terminal = process.stderr;
  const { logger, flush } = openLogger({
    home: own.home,
    name: "relay",
    level: own.logLevel,
    terminal,
  });
  const tools: Tools = { clock: systemClock(), random: systemRandom(), log: logger };
  const stopping = stopSignal();
  const alive = setInterval(() => undefined, 2 ** 30);
  try {
    await run(own, config, tools, stopping.signal);
  } catch (error) {
    if (!stopping.signal.aborted) {
      logger.error("the relay cannot run", errorFields(error));
      throw error;
    }
  } finally {
    clearInterval(alive);
    stopping.end();
    await lock.release();
    flush();
  }
}

async function run(own: Config, config: Config, tools: Tools, signal: AbortSignal): Promise<void> {
  const { log } = tools;
  log.info("the relay starts", { listenAddress: `${config.links.host}:${config.links.port}` });
  const record = await becomeRelay(own, config, tools, signal);
  const parts = await relayNode(config, record, tools);
  await startAll(parts);
  const { name, memberId } = record;
  log.info("the relay is up", { nodeName: name, nodeId: record.nodeId });
  process.stdout.write(
    `mesh-relay ${VERSION}: ${name} of ${memberId} on port ${config.links.port}\n`,
  );
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  log.info("stopping", { reason: String(signal.reason) });
  await stopAll(parts);
}

/** The relay's own view: its folder, its port, nothing of the node beside it. */
function relayConfig({ flags, env, cwd, host, port }: RelayOptions, own: Config): Config {
  const { home: _home, ...given } = flags;
  // Published addresses are those of the node's own port.
  const { MESH_LINK_ADVERTISE: _links, MESH_NODE_NAME: _name, ...others } = env;
  const { config } = loadConfig({
    flags: {
      ...given,
      home: join(own.home, "relay"),
      "link-host": host,
      "link-port": String(port),
      "membership-host": host,
      "membership-port": String(port),
      "serve-as-hub": "yes",
      relay: "yes",
      beacon: "no",
    },
    env: others,
    cwd,
  });
  return config;
}

async function becomeRelay(
  own: Config,
  config: Config,
  { clock, log }: Tools,
  signal: AbortSignal,
): Promise<NodeRecord> {
  if (config.mesh.tokenFile === undefined) await forgetOtherMember(own, config, log);
  const present = await readNodeRecord(config.home);
  if (present !== undefined) return present;
  const joined = await joinTokenFile(config, { clock, log, signal });
  return joined ?? enrolRelay({ home: own.home, config, signal, clock, log });
}

/** The node of this machine was made anew: its relay belongs to a member that is no more. */
async function forgetOtherMember(own: Config, config: Config, log: Logger): Promise<void> {
  const node = await readNodeRecord(own.home);
  const relay = await readNodeRecord(config.home);
  if (node === undefined || relay === undefined) return;
  const [ours, its] = await Promise.all([
    readIfThere(nodeFiles(own, node).caCertificate),
    readIfThere(nodeFiles(config, relay).caCertificate),
  ]);
  if (ours === its) return;
  log.warn("the node of this machine belongs to another member now: the relay joins it anew");
  for (const name of OWN_FILES) await rm(join(config.home, name), { recursive: true, force: true });
}

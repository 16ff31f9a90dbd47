/**
 * `mesh-control-plane`: the HTTP backup for ring join and the way to hand in jobs, in a process of
 * its own beside the node of this machine. Pools and membership work without it.
 */
import { errorFields, type Logger, sleep, systemClock, systemRandom } from "@hearthmesh/core";
import { ControlPlaneDoor } from "@hearthmesh/gateway/control-plane";
import { type ConfigSources, loadConfig } from "../config/load.js";
import { openLogger } from "../logger.js";
import { stopSignal } from "../stop-signal.js";
import type { Tools } from "../tools.js";
import { VERSION } from "../version.js";
import { LocalAgent } from "./local-agent.js";

export interface ControlPlaneRunOptions extends ConfigSources {
  /** The first one that is tried. */
  readonly port: number;
  readonly host: string;
}

const LOOK_EVERY_MS = 1_000;

/** Runs in the foreground until SIGINT or SIGTERM. Throws `MESH_PORT_TAKEN`. */
export async function runControlPlane(options: ControlPlaneRunOptions): Promise<void> {
  const { config } = loadConfig(options);
  const { home, logLevel: level } = config;
  const terminal = process.stderr;
  const { logger, flush } = openLogger({ home, name: "control-plane", level, terminal });
  const tools: Tools = { clock: systemClock(), random: systemRandom(), log: logger };
  const agent = new LocalAgent(home, tools.clock);
  const { host, port } = options;
  const door = new ControlPlaneDoor({ host, port, version: VERSION, agent, ...tools });
  const stopping = stopSignal();
  const alive = setInterval(() => undefined, 2 ** 30);
  try {
    await door.start();
    const address = `http://${shownHost(host)}:${door.address?.port}`;
    process.stdout.write(`mesh-control-plane ${VERSION}: ${address}\n`);
    await watchAgent(agent, tools, stopping.signal);
    logger.info("stopping", { reason: String(stopping.signal.reason) });
  } catch (error) {
    logger.error("the control plane cannot run", errorFields(error));
    throw error;
  } finally {
    await door.stop();
    clearInterval(alive);
    stopping.end();
    flush();
  }
}

/** Says when the agent comes and goes, until the signal. */
async function watchAgent(
  agent: LocalAgent,
  { clock, log }: { clock: Tools["clock"]; log: Logger },
  signal: AbortSignal,
): Promise<void> {
  let was: boolean | undefined;
  while (!signal.aborted) {
    const is = await agent.isThere();
    if (is !== was) log.info(is ? "the agent is up" : "waiting for the agent (`mesh start`)");
    was = is;
    await sleep(clock, LOOK_EVERY_MS, signal).catch(() => undefined);
  }
}

function shownHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

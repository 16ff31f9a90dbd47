import { hostname } from "node:os";
import type { HeldLock, LockClient } from "@hearthmesh/client";
import { isMeshError, parseDurationMs } from "@hearthmesh/core";
import { type Cli, note } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { ExitStatus } from "../exit-status.js";
import { formatDuration, printable } from "../text.js";
import { runChild, type SignalSource } from "./lock-child.js";

interface Options extends DoorOptions {
  ttl: string;
  /** A duration; false with `--no-wait`. */
  wait?: string | boolean;
  killAfter: string;
  json?: boolean;
}

/** `signals`: whose signals go to the command; handed in for tests. */
export function lockRunCommand(cli: Cli, signals: SignalSource = process): MeshCommand {
  const command = new MeshCommand("run")
    .description("run a command while holding a lock; it is ended when the lock is lost")
    .argument("<name>", "name of the lock, like a key: jobs/nightly")
    .argument("<command...>", "after --: the command with its arguments")
    .option("--ttl <time>", "the lock is lost when it cannot be renewed for this long", "30s")
    .option("--wait <time>", "wait so long at most while somebody else holds it (default: no end)")
    .option("--no-wait", "do not wait at all")
    .option("--kill-after <time>", "from SIGTERM to SIGKILL when the lock is lost", "10s")
    .option("--json", "at the end one line of JSON on standard error")
    .withExamples(
      "mesh lock run jobs/nightly -- ./backup.sh",
      "mesh lock run jobs/report --no-wait -- make report",
      "mesh lock run app/migrate --wait 5m -- sh -c " +
        `'mesh kv put app/schema 7 --fence "$MESH_LOCK_NAME:$MESH_LOCK_TOKEN"'`,
    );
  command.addHelpText(
    "after",
    "\nThe command finds MESH_LOCK_NAME and MESH_LOCK_TOKEN in its environment. Its exit status" +
      "\nis passed on; when the lock is lost, the error is MESH_LOCK_LOST (status 5).",
  );
  return withDoorOptions(command).action(async (name: string, line: string[], options: Options) => {
    const times = timesOf(options);
    await throughDoor(cli, options, async ({ api }) => {
      const { LockClient } = await import("@hearthmesh/client");
      const locks = new LockClient({ door: api, clock: cli.clock, random: cli.random });
      const lock = await taken(cli, locks, name, { ...times, signals });
      const status = await runUnder(cli, lock, { ...times, signals, line, options });
      throw new ExitStatus(status);
    });
  });
}

interface Times {
  readonly ttlMs: number;
  readonly waitMs: number;
  readonly graceMs: number;
}

function timesOf({ ttl, wait, killAfter }: Options): Times {
  const waitMs = typeof wait === "string" ? parseDurationMs(wait) : Number.POSITIVE_INFINITY;
  return {
    ttlMs: parseDurationMs(ttl),
    waitMs: wait === false ? 0 : waitMs,
    graceMs: parseDurationMs(killAfter),
  };
}

const ENDING: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Says for whom it waits; a signal ends the waiting. */
async function taken(
  cli: Cli,
  locks: LockClient,
  name: string,
  { ttlMs, waitMs, signals }: Times & { signals: SignalSource },
): Promise<HeldLock> {
  const interrupted = new AbortController();
  const onSignal = (signal: NodeJS.Signals) =>
    interrupted.abort(new ExitStatus(signal === "SIGINT" ? 130 : signal === "SIGTERM" ? 143 : 129));
  for (const signal of ENDING) signals.on(signal, onSignal);
  const options = { ttlMs, holder: `${hostname()} (${process.pid})`, signal: interrupted.signal };
  try {
    return await locks.acquire(name, options);
  } catch (error) {
    if (waitMs === 0 || !isMeshError(error, "MESH_LOCK_TAKEN")) throw error;
    const { held } = await locks.inspect(name, { signal: interrupted.signal });
    const who = held === null ? "" : `, held by ${printable(held.holder || held.principal)}`;
    note(cli, `Waiting for the lock ${printable(name)}${who}.`);
    return await locks.acquire(name, { ...options, waitMs });
  } finally {
    for (const signal of ENDING) signals.off(signal, onSignal);
  }
}

interface RunOptions extends Times {
  readonly signals: SignalSource;
  readonly line: readonly string[];
  readonly options: Options;
}

/** The status of the command. `MESH_LOCK_LOST` when it was not under the lock to its end. */
async function runUnder(cli: Cli, lock: HeldLock, run: RunOptions): Promise<number> {
  const { line, signals, graceMs, ttlMs, options } = run;
  const onLost = () =>
    note(cli, `The lock ${printable(lock.name)} was lost; the command is ended.`);
  lock.lost.addEventListener("abort", onLost, { once: true });
  const [ended] = await Promise.allSettled([
    runChild({
      command: line,
      env: { ...cli.env, MESH_LOCK_NAME: lock.name, MESH_LOCK_TOKEN: String(lock.token) },
      cwd: cli.cwd,
      streams: cli,
      signals,
      clock: cli.clock,
      end: lock.lost,
      graceMs,
    }),
  ]);
  lock.lost.removeEventListener("abort", onLost);
  const [given] = await Promise.allSettled([lock.release()]);
  if (options.json === true) note(cli, JSON.stringify(outcomeOf(lock, ended, given)));
  if (given.status === "rejected") tellNotReleased(cli, ttlMs, given.reason);
  if (ended.status === "rejected") throw ended.reason;
  return ended.value;
}

type Settled<Value> = PromiseSettledResult<Value>;

function outcomeOf({ name, token, lost }: HeldLock, ended: Settled<number>, given: Settled<void>) {
  const exitStatus = ended.status === "fulfilled" ? ended.value : null;
  return { name, token, exitStatus, lost: lost.aborted, released: given.status === "fulfilled" };
}

/** Throws `MESH_LOCK_LOST`; a lock that could not be given back ends by itself. */
function tellNotReleased(cli: Cli, ttlMs: number, reason: unknown): void {
  if (isMeshError(reason, "MESH_LOCK_LOST")) throw reason;
  const why = reason instanceof Error ? reason.message : String(reason);
  const after = formatDuration(ttlMs);
  note(cli, `The lock was not given back (${printable(why)}); it ends by itself in ${after}.`);
}

import { formatBytes, MeshError } from "@hearthmesh/core";
import type { WorkerView } from "@hearthmesh/gateway/contracts";
import { type Cli, note, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { formatDuration, plural, printable } from "../text.js";
import { stateText } from "./worker-list.js";

interface Options extends DoorOptions {
  wait?: boolean;
  json?: boolean;
}

const TELL_EVERY_MS = 10_000;

export function workerRunCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("run")
    .description("start a run that does all of a worker's work, even while it is paused")
    .argument("<name>", "of the worker, as `mesh worker list` shows it")
    .option("--wait", "until the run has ended; fails when the run did")
    .option("--json", "as JSON")
    .withExamples("mesh worker run repair", "mesh worker run scrub --wait");
  return withDoorOptions(command).action(async (name: string, options: Options) => {
    await throughDoor(cli, options, async ({ api }) => {
      const { runWorker, waitForWorker } = await import("@hearthmesh/client");
      const begun = await runWorker(api, name);
      if (options.wait !== true) {
        if (options.json === true) return printJson(cli, begun);
        return print(cli, `${printable(name)} runs; \`mesh worker list\` shows how far it is`);
      }
      const { clock, signal } = cli;
      const onProgress = teller(cli);
      const worker = await waitForWorker(api, name, begun.until, { clock, signal, onProgress });
      if (worker === undefined) throw new MeshError("MESH_NOT_FOUND");
      if (options.json === true) printJson(cli, { worker });
      else print(cli, summary(worker));
      throwIfFailed(worker);
    });
  });
}

function teller(cli: Cli): (worker: WorkerView) => void {
  let toldMs = cli.clock.monotonicMs();
  return (worker) => {
    const nowMs = cli.clock.monotonicMs();
    if (nowMs - toldMs < TELL_EVERY_MS) return;
    toldMs = nowMs;
    const at = worker.position === null ? "" : `, at ${printable(worker.position)}`;
    note(cli, `${printable(worker.name)}: ${stateText(worker)}${at}`);
  };
}

function summary({ name, lastRun }: WorkerView): string {
  if (lastRun === null) return `${printable(name)}: the run has ended`;
  const { done, errors, bytes, tookMs } = lastRun;
  const moved = bytes === 0 ? "" : `, ${formatBytes(bytes)}`;
  const took = formatDuration(tookMs);
  return `${printable(name)}: ${done} done, ${plural(errors, "error")}${moved}, in ${took}`;
}

/** The error belongs to this run when it came at its end. */
function throwIfFailed({ name, lastRun, lastError }: WorkerView): void {
  if (lastRun === null || lastError === null || lastError.atMs < lastRun.atMs - lastRun.tookMs) {
    return;
  }
  throw new MeshError("MESH_INTERNAL", {
    message: `the run of ${name} failed: ${lastError.message}`,
    hint: `Code ${lastError.code}; the log of the leading coordinator has more.`,
  });
}

import { formatBytes } from "@hearthmesh/core";
import type { WorkerView } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { formatTable } from "../table.js";
import { formatDuration, formatTime, printable } from "../text.js";

interface Options extends DoorOptions {
  json?: boolean;
}

export function workerListCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("list")
    .description("what runs in the background: state, progress, last and next run")
    .option("--json", "as JSON")
    .withExamples("mesh worker list", "mesh worker list --json");
  return withDoorOptions(command).action(async (options: Options) => {
    await throughDoor(cli, options, async ({ api }) => {
      const { listWorkers } = await import("@hearthmesh/client");
      const answer = await listWorkers(api);
      if (options.json === true) return printJson(cli, answer);
      const titles = ["NAME", "STATE", "DONE", "ERRORS", "LEFT", "BYTES", "LAST", "NEXT"];
      const right = new Set(["DONE", "ERRORS", "LEFT", "BYTES"]);
      const columns = titles.map((title) =>
        right.has(title) ? { title, align: "right" as const } : { title },
      );
      const rows = answer.workers.map((worker) => rowOf(cli, worker));
      for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
      for (const worker of answer.workers) for (const line of notes(worker)) print(cli, line);
    });
  });
}

function rowOf(cli: Cli, worker: WorkerView): string[] {
  const { green, yellow, dim } = cli.colours;
  const paint = { running: green, paused: yellow, idle: String, stopped: dim }[worker.state];
  const nowMs = cli.clock.nowMs();
  const { lastRun, nextRunMs, errors } = worker;
  const ago = lastRun === null ? "never" : `${formatDuration(nowMs - lastRun.atMs)} ago`;
  const next = nextRunMs === null ? "" : `in ${formatDuration(nextRunMs - nowMs)}`;
  return [
    printable(worker.name),
    paint(stateText(worker)),
    String(worker.done),
    errors === 0 ? "0" : yellow(String(errors)),
    String(worker.queue),
    formatBytes(worker.bytes),
    ago,
    next,
  ];
}

export function stateText({ state, portion, position }: WorkerView): string {
  if (position === null && portion === null) return state;
  return portion === null ? `${state}, share unknown` : `${state} ${Math.floor(portion * 100)} %`;
}

function notes(worker: WorkerView): string[] {
  const { name, lastError, position, settings } = worker;
  const lines: string[] = [];
  if (position !== null) lines.push(`${printable(name)}: at ${printable(position)}`);
  const { rateBytes, intervalMs, tranquility } = settings;
  const set = [
    ...(intervalMs === undefined ? [] : [`every ${formatDuration(intervalMs)}`]),
    ...(rateBytes === undefined ? [] : [`at most ${formatBytes(rateBytes)}/s`]),
    ...(tranquility === undefined ? [] : [`tranquility ${tranquility}`]),
  ];
  if (set.length > 0) lines.push(`${printable(name)}: set to ${set.join(", ")}`);
  if (lastError !== null) {
    const when = formatTime(lastError.atMs);
    lines.push(`${printable(name)}: last error (${when}) ${printable(lastError.message)}`);
  }
  return lines;
}

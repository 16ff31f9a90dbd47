import { parseDurationMs, parseSizeBytes } from "@hearthmesh/core";
import type { WorkerSetRequest } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { usageError } from "../failures.js";
import { printable } from "../text.js";

interface Options extends DoorOptions {
  pause?: boolean;
  resume?: boolean;
  interval?: string;
  rate?: string;
  tranquility?: string;
  json?: boolean;
}

/** Goes back to what the worker does by itself. */
const STANDARD = "standard";

export function workerSetCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("set")
    .description("pause, resume or throttle a worker; kept over restarts and a change of leader")
    .argument("<name>", "of the worker, as `mesh worker list` shows it")
    .option("--pause", "no runs but those that are asked for; a run that is under way waits")
    .option("--resume", "the end of a pause")
    .option("--interval <time>", `time between two runs, such as 1h; or ${STANDARD}`)
    .option("--rate <size/s>", `bytes a second at most, such as 50MB/s; or ${STANDARD}`)
    .option(
      "--tranquility <number>",
      `rest for each unit of work: 0 never rests, 4 works a fifth of the time; or ${STANDARD}, ` +
        "which rests more while files are used",
    )
    .option("--json", "as JSON")
    .withExamples(
      "mesh worker set scrub --rate 50MB/s",
      "mesh worker set repair --tranquility 0",
      "mesh worker set garbage --pause",
      "mesh worker set garbage --resume --interval 1h",
    );
  return withDoorOptions(command).action(async (name: string, options: Options) => {
    const change = changeOf(options);
    await throughDoor(cli, options, async ({ api }) => {
      const { setWorker } = await import("@hearthmesh/client");
      const answer = await setWorker(api, name, change);
      if (options.json === true) return printJson(cli, answer);
      print(cli, `${printable(answer.worker.name)} is ${answer.worker.state}`);
    });
  });
}

function changeOf({ pause, resume, interval, rate, tranquility }: Options): WorkerSetRequest {
  if (pause === true && resume === true) {
    throw usageError("--pause and --resume exclude each other");
  }
  const paused = pause === true ? true : resume === true ? false : undefined;
  const change = {
    ...(paused === undefined ? {} : { paused }),
    ...(interval === undefined ? {} : { intervalMs: orStandard(interval, parseDurationMs) }),
    ...(rate === undefined ? {} : { rateBytes: orStandard(rate, parseRate) }),
    ...(tranquility === undefined ? {} : { tranquility: orStandard(tranquility, parseShare) }),
  };
  if (Object.keys(change).length === 0) throw usageError("nothing is to be changed");
  return change;
}

function orStandard(text: string, parse: (text: string) => number): number | null {
  return text === STANDARD ? null : parse(text);
}

function parseRate(text: string): number {
  return parseSizeBytes(text.replace(/\/s$/i, ""));
}

function parseShare(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value >= 0) return value;
  throw usageError(`${JSON.stringify(text)} is not a number of 0 or more`);
}

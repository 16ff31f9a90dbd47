import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { formatBytes } from "@hearthmesh/core";
import { type Cli, note, print, printJson } from "../cli.js";
import { collect, MeshCommand } from "../command.js";
import { loadDaemon, type RestoreReport } from "../daemon.js";
import { usageError } from "../failures.js";
import { waitingFor } from "../input.js";
import { plural, printable } from "../text.js";
import { uncoveredLines } from "./backup-words.js";

const KIT_BYTES_MAX = 64 * 1024;
const PATHS_SHOWN_MAX = 50;

interface Options {
  kit?: string;
  from?: string[];
  home?: string;
  json?: boolean;
}

export function restoreCommand(cli: Cli): MeshCommand {
  return new MeshCommand("restore")
    .description("bring a member back on a new machine, from its recovery kit and its friends")
    .option("--kit <file>", "the recovery kit as text; - reads it from standard input")
    .option("--from <host:port>", "API of a friend, when it moved; may be repeated", collect)
    .option("--home <directory>", "empty data directory instead of MESH_HOME")
    .option("--json", "what came back and what did not, as JSON")
    .withExamples("mesh restore --kit kit.txt", "mesh restore --kit - --from bob.example.org:8001")
    .action((options: Options) => restore(cli, options));
}

async function restore(cli: Cli, options: Options): Promise<void> {
  if (options.kit === undefined) {
    throw usageError("name the recovery kit with --kit FILE, or --kit - to paste it");
  }
  const kit = await readKit(cli, options.kit);
  const { restoreMember } = await loadDaemon();
  const { clock, random, log, env, cwd } = cli;
  const restoring = restoreMember({
    ...{ kit, clock, random, log, env, cwd },
    from: options.from ?? [],
    flags: options.home === undefined ? {} : { home: options.home },
    signal: cli.signal,
  });
  const report = await waitingFor(cli, "Bringing the member back", restoring);
  if (options.json === true) return printJson(cli, report);
  for (const line of describeReport(report)) print(cli, line);
}

async function readKit(cli: Cli, argument: string): Promise<string> {
  if (argument !== "-") return readFile(resolve(cli.cwd, argument), "utf8");
  if (cli.interactive) note(cli, "Paste the recovery kit, then press Control-D:");
  let text = "";
  for await (const piece of cli.stdin) {
    text += String(piece);
    if (text.length > KIT_BYTES_MAX) throw usageError("that is too long for a recovery kit");
  }
  return text;
}

function describeReport(report: RestoreReport): string[] {
  const { snapshot, friends, machines, coverage } = report;
  const taken = new Date(snapshot.takenAtMs).toISOString();
  return [
    `${report.memberId} (${report.trustDomain}) is back in ${report.home}.`,
    `Records: ${plural(report.rows, "row")} of snapshot ${snapshot.sequence}, ` +
      `taken ${taken}, from ${snapshot.member}.`,
    ...friends.flatMap(describeFriend),
    "",
    ...describeFiles(coverage),
    ...describeMachines(machines),
    "",
    "Next: mesh up    (with the addresses that this machine has now)",
    "Contents come back from friends: first what is read, the rest in time (mesh status).",
    "What was written after the snapshot and is at surviving nodes appears in /lost+found.",
  ];
}

function describeFriend(friend: RestoreReport["friends"][number]): string[] {
  const { member, failure, damaged, isBehind } = friend;
  return [
    ...(failure === undefined ? [] : [`${member} could not be asked: ${printable(failure)}`]),
    ...damaged.map((reason) => `${member}: a snapshot there does not open: ${printable(reason)}`),
    ...(isBehind ? [`${member} has an older snapshot than another friend, or none.`] : []),
  ];
}

function describeFiles(coverage: RestoreReport["coverage"]): string[] {
  const { all, inRecords, atFriends, uncovered } = coverage;
  const lines = [
    `Files: ${all.files}. ${inRecords.files} came with the records, ` +
      `${atFriends.files} (${formatBytes(atFriends.bytes)}) have copies at friends.`,
  ];
  if (uncovered.files === 0) return lines;
  return [
    ...lines,
    `${plural(uncovered.files, "file")} (${formatBytes(uncovered.bytes)}) had no copy at a friend.`,
    "They come back only when a storage node that has them does:",
    ...uncoveredLines(coverage, PATHS_SHOWN_MAX),
  ];
}

function describeMachines(machines: RestoreReport["machines"]): string[] {
  if (machines.length === 0) return [];
  return [
    `Machines that the records know: ${machines.map(({ name }) => name).join(", ")}.`,
    "Those that are gone are taken out with: mesh node remove NAME",
  ];
}

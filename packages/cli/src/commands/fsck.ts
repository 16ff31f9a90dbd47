import { formatBytes, MeshError } from "@hearthmesh/core";
import type { FsckReportView } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { ExitStatus } from "../exit-status.js";
import { formatDuration, formatTime, plural, printable } from "../text.js";

interface Options extends DoorOptions {
  repair?: boolean;
  json?: boolean;
}

/** The same as of errors that tell of lost or damaged data. */
const LOST_STATUS = 8;

export function fsckCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("fsck")
    .description("check names, references and chunks against each other; exit status 8: lost")
    .option("--repair", "mend what can be mended without taking anything away")
    .option("--json", "as JSON")
    .withExamples("mesh fsck", "mesh fsck --repair", "mesh fsck --json");
  return withDoorOptions(command).action(async (options: Options) => {
    const report = await throughDoor(cli, options, async ({ api }) => {
      const { fsckReport, runFsck, waitForWorker } = await import("@hearthmesh/client");
      const { until } = await runFsck(api, options.repair === true);
      const { clock, signal } = cli;
      const worker = await waitForWorker(api, "fsck", until, { clock, signal });
      const answer = await fsckReport(api);
      const failed = worker?.lastError ?? null;
      if (answer.report === null || (failed !== null && failed.atMs > answer.report.startedAtMs)) {
        throw new MeshError("MESH_STORE_BUSY", {
          message: `the check could not be made: ${failed?.message ?? "the leader has changed"}`,
          hint: "Run it again in a moment.",
        });
      }
      return answer.report;
    });
    if (options.json === true) printJson(cli, report);
    else tell(cli, report);
    if (report.state === "lost") throw new ExitStatus(LOST_STATUS);
  });
}

function tell(cli: Cli, report: FsckReportView): void {
  const { green, yellow, red } = cli.colours;
  const { files, bytes, directories, chunks, underReplicated, unreferenced, trash } = report;
  const size = formatBytes(bytes);
  print(
    cli,
    `${plural(files, "file")} (${size}), ${plural(directories, "directory", "directories")}`,
  );
  print(
    cli,
    `${plural(chunks, "chunk")}, ${underReplicated} with fewer copies than they should have`,
  );
  if (unreferenced.chunks > 0) {
    const { oldestAtMs } = unreferenced;
    const since = oldestAtMs === undefined ? "" : `, the oldest of ${formatTime(oldestAtMs)}`;
    print(cli, `${plural(unreferenced.chunks, "chunk")} that nothing refers to${since}`);
  }
  if (trash > 0) print(cli, `${plural(trash, "entry", "entries")} in the trash`);
  for (const name of report.nodesAway) print(cli, yellow(`not asked: ${printable(name)} is away`));
  for (const reason of report.skipped) print(cli, yellow(`not looked at: ${reason}`));
  for (const { kind, path, id, detail, mended } of report.findings) {
    const what = printable(path ?? id ?? "");
    print(cli, `${mended ? green("mended") : red(kind)}: ${what}: ${printable(detail)}`);
  }
  const took = formatDuration(report.tookMs);
  const paint = { clean: green, untidy: yellow, unknown: yellow, lost: red }[report.state];
  print(cli, `${paint(SENTENCES[report.state])} (${took})`);
}

const SENTENCES: Record<FsckReportView["state"], string> = {
  clean: "clean",
  untidy: "nothing is lost; not all is as it should be",
  unknown: "not everything could be looked at",
  lost: "contents are lost",
};

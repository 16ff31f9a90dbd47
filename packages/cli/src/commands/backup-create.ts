import { resolve } from "node:path";
import { MeshError } from "@hearthmesh/core";
import type { BackupResponse } from "@hearthmesh/gateway/contracts";
import { type Cli, note, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { loadDaemon } from "../daemon.js";
import { throughDoor } from "../door.js";
import { usageError } from "../failures.js";
import { printable } from "../text.js";
import { describeCoverage, describeFriends } from "./backup-words.js";

interface Options {
  home?: string;
  output?: string;
  print?: boolean;
  qr?: boolean;
  json?: boolean;
}

export function backupCreateCommand(cli: Cli): MeshCommand {
  return new MeshCommand("create")
    .description("the recovery kit of this member, and a snapshot of its records to its friends")
    .option("--home <directory>", "data directory of the coordinator instead of MESH_HOME")
    .option("-o, --output <file>", "write the kit there, readable by you alone")
    .option("--print", "show the kit, to be printed or copied by hand")
    .option("--qr", "show the kit as a QR code")
    .option("--json", "where the snapshot went, as JSON; the kit is never part of it")
    .withExamples(
      "mesh backup create --output kit.txt",
      "mesh backup create --print | lp    # on paper, and nowhere else",
    )
    .action((options: Options) => create(cli, options));
}

async function create(cli: Cli, options: Options): Promise<void> {
  const { output, qr, json } = options;
  if (output === undefined && options.print !== true && qr !== true) {
    throw usageError("say where the kit goes: --output FILE, --print or --qr");
  }
  if (json === true && (options.print === true || qr === true)) {
    throw usageError("--json does not go with --print or --qr: the kit is never part of JSON");
  }
  const home = options.home === undefined ? {} : { home: options.home };
  const backup = await throughDoor(cli, { ...home, local: true }, async ({ api }) => {
    const { backupNow } = await import("@hearthmesh/client");
    return backupNow(api);
  });
  const { makeRecoveryKit } = await loadDaemon();
  const sources = { flags: home, env: cli.env, cwd: cli.cwd };
  const kit = await makeRecoveryKit(sources, backup.friends);
  const path = output === undefined ? undefined : resolve(cli.cwd, output);
  if (path !== undefined) await writeKit(path, kit.text);
  if (json === true) {
    printJson(cli, { output: path ?? null, ...backup });
    return requireSnapshotOfNow(backup);
  }
  if (options.print === true) print(cli, kit.text);
  if (qr === true) {
    const { renderUnicodeCompact } = await import("uqr");
    print(cli, renderUnicodeCompact(kit.oneText.toUpperCase()));
  }
  tell(cli, kit.memberId, path, backup);
  if (kit.leftOut.length > 0) {
    note(cli, `The kit has no room for ${kit.leftOut.join(", ")}: eight friends fit.`);
  }
  requireSnapshotOfNow(backup);
}

/** The kit is good all the same; what changed since the older snapshot would not come back. */
function requireSnapshotOfNow({ friends }: BackupResponse): void {
  const hadOne = friends.filter(({ snapshot }) => snapshot !== null);
  if (hadOne.length === 0 || hadOne.some(({ failure }) => failure === null)) return;
  const reasons = hadOne.map(({ alias, failure }) => `${printable(`${alias}: ${failure}`)}`);
  throw new MeshError("MESH_UNREACHABLE", {
    message: `the kit is made, but no friend took a new snapshot: ${reasons.join("; ")}`,
    hint: "What they have is older. Try again: `mesh backup create` takes another snapshot.",
  });
}

/** On standard error, so that `--print | lp` prints the kit alone. */
function tell(cli: Cli, memberId: string, path: string | undefined, backup: BackupResponse): void {
  const { bold } = cli.colours;
  note(cli, "");
  if (path !== undefined) note(cli, `The recovery kit of ${memberId} is in ${path}.`);
  note(cli, bold("Whoever has the kit can act as this member and read its copies at friends."));
  note(cli, "Put it on paper, keep it away from these machines, and delete the file.");
  note(cli, "It stays good until a friend comes or moves: then make a new one.");
  note(cli, "");
  for (const line of describeFriends(backup)) note(cli, line);
  for (const line of describeCoverage(backup)) note(cli, line);
}

async function writeKit(path: string, text: string): Promise<void> {
  const { writePrivate } = await import("@hearthmesh/client/private-files");
  await writePrivate(path, text);
}

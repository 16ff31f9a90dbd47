import { MeshError } from "@hearthmesh/core";
import type { AuditRecordView } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { formatTable } from "../table.js";
import { formatTime, plural, printable } from "../text.js";
import { parseWholeNumber } from "../whole-number.js";

interface Options extends DoorOptions {
  after?: string;
  limit: string;
  verify?: boolean;
  json?: boolean;
}

export function auditCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("audit")
    .description("every change of trust: who let whom in, made keys, introduced nodes")
    .option("--after <number>", "records after this number; without it the newest")
    .option("--limit <number>", "this many at most", "50")
    .option("--verify", "check that no record was changed or taken out")
    .option("--json", "as JSON")
    .withExamples(
      "mesh audit",
      "mesh audit --verify",
      "mesh audit --after 100 --limit 1000 --json",
    );
  return withDoorOptions(command).action(async (options: Options) => {
    if (options.verify === true) return verify(cli, options);
    const limit = parseWholeNumber(options.limit, "--limit");
    const start =
      options.after === undefined
        ? { newest: true }
        : { after: parseWholeNumber(options.after, "--after", { least: 0 }) };
    await throughDoor(cli, options, async ({ api }) => {
      const { audit } = await import("@hearthmesh/client");
      const answer = await audit(api, { limit, ...start });
      if (options.json === true) return printJson(cli, answer);
      const titles = ["NUMBER", "TIME", "WHAT", "SUBJECT", "BY", "DETAIL"];
      const columns = titles.map((title) => ({ title }));
      const rows = answer.records.map(describeRecord);
      for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
      const last = answer.records.at(-1);
      if (answer.more && last !== undefined) {
        print(cli, cli.colours.dim(`More: mesh audit --after ${last.sequence}`));
      }
    });
  });
}

async function verify(cli: Cli, options: Options): Promise<void> {
  await throughDoor(cli, options, async ({ api }) => {
    const { verifyAudit } = await import("@hearthmesh/client");
    const verdict = await verifyAudit(api);
    if (options.json === true) printJson(cli, verdict);
    if (!verdict.ok) {
      throw new MeshError("MESH_STORE_CORRUPT", {
        message: `audit record ${verdict.brokenAt}: ${verdict.reason ?? "it is broken"}`,
        hint: "Somebody changed the store, or its disk fails: compare it with a backup.",
      });
    }
    if (options.json === true) return;
    const from = verdict.first > 1 ? ` from number ${verdict.first} on` : "";
    print(cli, `${plural(verdict.records, "record")}${from}: each follows from the one before it.`);
  });
}

function describeRecord(record: AuditRecordView): string[] {
  const { sequence, atMs, action, subject, by, detail } = record;
  const details = Object.entries(detail ?? {})
    .filter(([, value]) => value !== "" && !(Array.isArray(value) && value.length === 0))
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(" ");
  return [String(sequence), formatTime(atMs), action, subject, by, details].map(printable);
}

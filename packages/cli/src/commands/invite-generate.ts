import type { InviteCreateRequest, InviteCreateResponse } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { collect, MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { usageError } from "../failures.js";
import { formatGrantLine, formatTime, plural } from "../text.js";
import { parseWholeNumber } from "../whole-number.js";

interface Options extends DoorOptions {
  grant?: string[];
  node?: boolean;
  role?: string[];
  nodeName?: string;
  maxUses: string;
  validity: string;
  description?: string;
  qr?: boolean;
  quiet?: boolean;
  json?: boolean;
}

export function inviteGenerateCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("generate")
    .description("invite a person, or with --node a machine")
    .option("--grant <path:rights>", "what a person may do; may be repeated", collect)
    .option("--node", "invite a machine to become a node of this member")
    .option("--role <role>", "what the machine does; may be repeated; default: storage", collect)
    .option("--node-name <name>", "the only name that the machine may take")
    .option("--max-uses <number>", "how many may use it", "1")
    .option("--validity <time>", "how long it may be used: 30m, 24h, 7d", "24h")
    .option("--description <text>", "what it is for, for the list of invites")
    .option("--qr", "show the link as a QR code")
    .option("-q, --quiet", "print the code alone")
    .option("--json", "as JSON")
    .withExamples(
      "mesh invite generate --grant /shared:read+write --grant /media:read",
      "mesh invite generate --node --qr",
      "mesh invite generate --grant /media:read --max-uses 5 --validity 7d " +
        '--description "Media team" --ca ca.crt --cert coordinator.crt --key coordinator.key',
    );
  return withDoorOptions(command).action(async (options: Options) => {
    const request = toRequest(options);
    await throughDoor(cli, options, async ({ api }) => {
      const created = await api.createInvite(request);
      if (options.json === true) return printJson(cli, created);
      if (options.quiet === true) return print(cli, created.code);
      for (const line of describeInvite(cli, created)) print(cli, line);
      if (options.qr === true) {
        const { renderUnicodeCompact } = await import("uqr");
        print(cli, `\n${renderUnicodeCompact(created.link)}`);
      }
    });
  });
}

function toRequest(options: Options): InviteCreateRequest {
  const isNode = options.node === true;
  const grants = options.grant ?? [];
  if (!isNode && grants.length === 0) {
    throw usageError(
      "an invite for a person needs at least one --grant",
      "For example --grant /shared:read+write, or --node for a machine.",
    );
  }
  if (isNode && grants.length > 0) {
    throw usageError("--grant is for people and --node for machines: choose one");
  }
  return {
    kind: isNode ? "node" : "person",
    grants,
    maxUses: parseWholeNumber(options.maxUses, "--max-uses"),
    validity: options.validity,
    description: options.description ?? "",
    ...(isNode ? { roles: (options.role ?? ["storage"]) as ("storage" | "gateway" | "ai")[] } : {}),
    ...(options.nodeName === undefined ? {} : { nodeName: options.nodeName }),
  };
}

function describeInvite(cli: Cli, created: InviteCreateResponse): string[] {
  const { bold, dim } = cli.colours;
  const { invite, code, link } = created;
  const isNode = invite.kind === "node";
  const gives = isNode ? [`roles: ${invite.roles.join(", ")}`] : invite.grants.map(formatGrantLine);
  const verb = isNode ? "mesh join" : "mesh invite redeem";
  const guest = isNode ? "machine" : "person";
  const validity = `${plural(invite.maxUses, "use")}, until ${formatTime(invite.notAfterMs)}`;
  return [
    `Invite ${invite.id} for a ${guest}: ${validity}`,
    ...gives.map((line) => `  ${line}`),
    "",
    bold(code),
    "",
    dim("On the other side:"),
    `  ${verb} ${code}`,
    dim("As a link:"),
    `  ${link}`,
    "",
    dim("Whoever has the code can use it: send it on a way that you trust. It is not shown again."),
  ];
}

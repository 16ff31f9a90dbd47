import type { GrantAddRequest } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { printable } from "../text.js";

interface Options extends DoorOptions {
  until?: string;
  deny?: boolean;
  json?: boolean;
}

export function grantAddCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("add")
    .description("give somebody rights on a path and everything below it")
    .argument("<subject>", "carol@office.carol, '*@garage.bob', '*@*', operator@garage.bob")
    .argument("<grant>", "PATH:RIGHTS, such as /shared:read+write; read, write, delete, share, all")
    .option("--until <time>", "when it ends: 7d from now, or a date such as 2027-01-31")
    .option("--deny", "take the rights away instead; wins over a grant on the same path")
    .option("--json", "as JSON")
    .withExamples(
      "mesh grant add carol@office.carol /shared:read+write",
      "mesh grant add '*@garage.bob' /media:read --until 30d",
      "mesh grant add carol@office.carol /shared/private:all --deny",
    );
  return withDoorOptions(command).action(
    async (subject: string, grant: string, options: Options) => {
      const request: GrantAddRequest = {
        subject,
        grant,
        ...(options.deny === true ? { deny: true } : {}),
        ...(options.until === undefined ? {} : { until: options.until }),
      };
      await throughDoor(cli, options, async ({ api }) => {
        const { addGrant } = await import("@hearthmesh/client");
        const answer = await addGrant(api, request);
        if (options.json === true) return printJson(cli, answer);
        const { id, subject: who, text, nodeId } = answer.grant;
        const whose = nodeId === undefined ? "" : " (the person of this member with that key)";
        print(cli, `${printable(who)}${whose}: ${printable(text)}`);
        print(cli, `To take it away: mesh grant remove ${id}`);
      });
    },
  );
}

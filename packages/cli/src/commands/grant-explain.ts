import type { ExplainedGrant, GrantExplainQuery } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { usageError } from "../failures.js";
import { formatTime, printable } from "../text.js";

const RIGHTS = ["read", "write", "delete", "share"] as const;

export function grantExplainCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("explain")
    .description("why somebody may or may not do something, and what would change it")
    .argument("<subject>", "a name, a domain such as '*@garage.bob', or `me`")
    .argument("<path>", "where")
    .argument("[right]", "read, write, delete or share", "read")
    .option("--json", "as JSON")
    .withExamples(
      "mesh grant explain carol@office.carol /shared/private write",
      "mesh grant explain me /media",
    );
  return withDoorOptions(command).action(
    async (
      subject: string,
      path: string,
      right: string,
      options: DoorOptions & { json?: boolean },
    ) => {
      const query: GrantExplainQuery = {
        ...(subject === "me" ? {} : { subject }),
        path,
        right: checkRight(right),
      };
      await throughDoor(cli, options, async ({ api }) => {
        const { explainGrant } = await import("@hearthmesh/client");
        const answer = await explainGrant(api, query);
        if (options.json === true) return printJson(cli, answer);
        const { green, red, dim } = cli.colours;
        const verdict = answer.allowed ? green("allowed") : red("not allowed");
        print(cli, `${verdict}: ${printable(answer.reason)}`);
        if (answer.notAfterMs !== undefined) print(cli, `until ${formatTime(answer.notAfterMs)}`);
        const looked = [...(answer.decidedBy ? [answer.decidedBy] : []), ...answer.others];
        for (const one of looked) print(cli, `  ${lineOf(one)}`);
        for (const text of answer.notes) print(cli, dim(printable(text)));
        for (const text of answer.advice) print(cli, printable(text));
      });
    },
  );
}

function lineOf({ text, origin, id, subject, givenBy, verdict }: ExplainedGrant): string {
  const from = origin === "book" ? `grant ${id ?? ""}` : origin;
  const whom = subject === undefined ? "" : ` for ${subject}`;
  const giver = givenBy === undefined ? "" : ` by ${givenBy}`;
  return printable(`${text} (${from}${whom}${giver}): ${verdict}`);
}

function checkRight(text: string): (typeof RIGHTS)[number] {
  const right = RIGHTS.find((one) => one === text);
  if (right !== undefined) return right;
  throw usageError(`${JSON.stringify(text)} is not a right`, `There are: ${RIGHTS.join(", ")}.`);
}

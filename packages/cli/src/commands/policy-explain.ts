import type { PolicyExplanation } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { plural, printable } from "../text.js";
import { offerWords, policyWords } from "./policy-words.js";

export function policyExplainCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("explain")
    .description("which policy counts for a path, and what follows from it")
    .argument("<path>", "of a file or directory, also of one that is not there yet")
    .option("--json", "as JSON")
    .withExamples("mesh policy explain /photos/2026/lake.jpg");
  return withDoorOptions(command).action(
    async (path: string, options: DoorOptions & { json?: boolean }) => {
      await throughDoor(cli, options, async ({ api }) => {
        const { explainPolicy } = await import("@hearthmesh/client");
        const answer = await explainPolicy(api, path);
        if (options.json === true) return printJson(cli, answer);
        for (const line of explanation(answer)) print(cli, line);
      });
    },
  );
}

function explanation({ path, policy, atHome, atFriends, friends }: PolicyExplanation): string[] {
  const rule =
    policy === null
      ? `No policy is on ${printable(path)} or above it.`
      : `What counts for ${printable(path)} is the policy on ${policyWords(policy)}.`;
  const home = `At home: ${plural(atHome, "copy", "copies")} of every chunk, as the layout says.`;
  const { needed, wanted } = atFriends;
  if (wanted === 0) return [rule, home, "At friends: none."];
  const upTo = wanted > needed ? `, up to ${wanted} when there is room` : "";
  return [
    rule,
    home,
    `At friends: ${plural(needed, "sealed copy", "sealed copies")} of every file${upTo}.`,
    ...(friends.length === 0 ? ["There is no peer: `mesh peer invite` makes a code for one."] : []),
    ...friends.map((friend) => `  ${printable(friend.alias)} offers: ${offerWords(friend)}`),
  ];
}

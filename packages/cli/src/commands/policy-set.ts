import type { PolicySetRequest } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { usageError } from "../failures.js";
import { policyWords } from "./policy-words.js";

const STRATEGIES = ["media", "backup", "hybrid"] as const;

interface Options extends DoorOptions {
  strategy: string;
  replicas?: string;
  members?: string;
  json?: boolean;
}

export function policySetCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("set")
    .description("how many copies of the files below a path there are, and in how many homes")
    .argument("<path>", "such as /photos; the nearest policy above a file counts")
    .requiredOption(
      "--strategy <name>",
      "media: near the readers; backup: one in each home first; hybrid: two at home",
    )
    .option("--replicas <number>", "copies in all (default 3)")
    .option("--members <number>", "homes with at least one copy (default 2, for media 1)")
    .option("--json", "as JSON")
    .withExamples(
      "mesh policy set /photos --strategy backup --replicas 3 --members 2",
      "mesh policy set /films --strategy media",
    );
  return withDoorOptions(command).action(async (path: string, options: Options) => {
    const request = requestOf(path, options);
    await throughDoor(cli, options, async ({ api }) => {
      const { setPolicy } = await import("@hearthmesh/client");
      const answer = await setPolicy(api, request);
      if (options.json === true) return printJson(cli, answer);
      print(cli, policyWords(answer.policy));
      print(cli, "`mesh policy list` shows how many files wait for their copies.");
    });
  });
}

function requestOf(path: string, { strategy, replicas, members }: Options): PolicySetRequest {
  const known = STRATEGIES.find((one) => one === strategy);
  if (known === undefined) {
    throw usageError(`${JSON.stringify(strategy)} is none of ${STRATEGIES.join(", ")}`);
  }
  return {
    path,
    strategy: known,
    ...(replicas === undefined ? {} : { replicas: count("--replicas", replicas) }),
    ...(members === undefined ? {} : { members: count("--members", members) }),
  };
}

function count(option: string, text: string): number {
  if (/^[0-9]{1,3}$/.test(text) && Number(text) > 0) return Number(text);
  throw usageError(`${option} is a number of 1 or more, not ${JSON.stringify(text)}`);
}

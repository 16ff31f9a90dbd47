import { type Cli, print, printJson } from "../cli.js";
import { collect, MeshCommand } from "../command.js";
import { type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import { usageError } from "../failures.js";
import { parseWholeNumber } from "../whole-number.js";
import { planLines } from "./inference-plan.js";
import { splitNetworks } from "./key-create.js";

interface Options extends DoorOptions {
  placement?: string;
  onlyMembers?: string[];
  context?: string;
  json?: boolean;
}

export function modelPlanCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("plan")
    .description("where a model would run, how fast, with how much memory, and why; loads nothing")
    .argument("[model]", "name or id; default: the only model, else the demo model")
    .option("--placement <R|T>", "only whole on one member (R), or only split (T)")
    .option("--only-members <names>", "as if these were all members", collect)
    .option("--context <tokens>", "as if one request might have so many tokens")
    .option("--json", "as JSON")
    .withExamples("mesh model plan", "mesh model plan llama-3 --placement T --context 8192");
  return withDoorOptions(command).action(async (model: string | undefined, options: Options) => {
    const question = {
      model,
      placement: placementOf(options.placement),
      members: splitNetworks(options.onlyMembers ?? []),
      contextTokens: parseWholeNumber(options.context, "--context", { least: 16 }),
    };
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { planModel } = await import("@hearthmesh/client");
      const plan = await planModel(api, question);
      if (options.json === true) return printJson(cli, plan);
      for (const line of planLines(cli, plan)) print(cli, line);
    });
  });
}

function placementOf(text: string | undefined): "R" | "T" | undefined {
  if (text === undefined || text === "R" || text === "T") return text;
  throw usageError("--placement is R (whole) or T (split)");
}

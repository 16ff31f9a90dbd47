/** A scenario with all the commands that there are. */
import { Scenario } from "./scenario.js";
import { fileCommands } from "./scenario-file-commands.js";
import { layoutCommands } from "./scenario-layout-commands.js";
import { machineCommands } from "./scenario-machine-commands.js";
import { setUpCommands } from "./scenario-setup-commands.js";
import { upkeepCommands } from "./scenario-upkeep-commands.js";

export function createScenario(): Scenario {
  return new Scenario({
    ...setUpCommands,
    ...machineCommands,
    ...fileCommands,
    ...upkeepCommands,
    ...layoutCommands,
  });
}

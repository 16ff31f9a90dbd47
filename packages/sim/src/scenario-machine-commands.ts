/** What happens to machines and the network in a scenario. */
import { parseDurationMs, parseSizeBytes } from "@hearthmesh/core";
import type { Scenario, ScenarioCommand } from "./scenario.js";
import type { SimMachine } from "./sim-machine.js";

/** A command that does something to one machine. */
function onMachine(
  usage: string,
  act: (machine: SimMachine, words: readonly string[]) => void,
): ScenarioCommand {
  return {
    usage,
    run: async (scenario, [name = "", ...rest]) => {
      act((await scenario.mesh()).machine(name), rest);
      return [];
    },
  };
}

/** `a b | c` */
function twoGroups(words: readonly string[]): [string[], string[]] {
  const bar = words.indexOf("|");
  return [words.slice(0, bar), words.slice(bar + 1)];
}

export const machineCommands: Record<string, ScenarioCommand> = {
  start: {
    usage: "start [MACHINE...]",
    run: async (scenario, names) => {
      const mesh = await scenario.mesh();
      if (names.length === 0) {
        await mesh.startAll();
        return status(scenario);
      }
      for (const name of names) await scenario.settle(mesh.injector().restart(mesh.machine(name)));
      return [];
    },
  },
  kill: onMachine("kill MACHINE", (machine) => machine.kill()),
  power: onMachine("power MACHINE", (machine) => machine.losePower()),
  wipe: onMachine("wipe MACHINE", (machine) => machine.wipe()),
  stall: onMachine("stall MACHINE DURATION", (machine, [duration = ""]) =>
    machine.stall(parseDurationMs(duration)),
  ),
  full: onMachine("full MACHINE", ({ disk }) => disk.setCapacity(disk.usedBytes)),
  roomy: onMachine("roomy MACHINE", ({ disk }) => disk.setNormalCapacity()),
  disk: onMachine("disk MACHINE SIZE", ({ disk }, [size = ""]) =>
    disk.setCapacity(parseSizeBytes(size)),
  ),
  slow: onMachine("slow MACHINE FACTOR", ({ disk }, [factor = "1"]) =>
    disk.setSlowFactor(Number(factor)),
  ),
  clock: onMachine("clock MACHINE DURATION", (machine, [duration = ""]) => {
    const isBack = duration.startsWith("-");
    const ms = parseDurationMs(duration.replace("-", ""));
    machine.jumpClock(isBack ? -ms : ms);
  }),
  partition: {
    usage: "partition MACHINE... | MACHINE...",
    run: async (scenario, words) => {
      (await scenario.mesh()).network.partition(...twoGroups(words));
      return [];
    },
  },
  cut: {
    usage: "cut FROM TO",
    run: async (scenario, [from = "", to = ""]) => {
      (await scenario.mesh()).network.cut(from, to);
      return [];
    },
  },
  heal: {
    usage: "heal",
    run: async (scenario) => {
      (await scenario.mesh()).network.heal();
      return [];
    },
  },
  status: { usage: "status", run: (scenario) => status(scenario) },
};

/** What the coordinator believes of each node. */
async function status(scenario: Scenario): Promise<string[]> {
  const mesh = await scenario.mesh();
  return mesh.storageNames.map((name) => `${name} is ${mesh.nodeState(name)}`);
}

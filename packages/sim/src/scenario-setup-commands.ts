/** Who is there, time, and what goes on in the background of a scenario. */
import { parseDurationMs } from "@hearthmesh/core";
import type { ScenarioCommand } from "./scenario.js";

export const setUpCommands: Record<string, ScenarioCommand> = {
  nodes: {
    usage: "nodes NODE...",
    run: async (scenario, names) => {
      scenario.addNodes(names);
      return [];
    },
  },
  person: {
    usage: "person NAME GRANT...",
    run: async (scenario, [name = "", ...grants]) => {
      scenario.addPerson(name, grants);
      return [];
    },
  },
  option: {
    usage: "option seed|replicas VALUE",
    run: async (scenario, [name = "", value = ""]) => {
      scenario.setOption(name, value);
      return [];
    },
  },
  help: { usage: "help", run: async (scenario) => scenario.usages },
  tick: {
    usage: "tick DURATION",
    run: async (scenario, [duration = ""]) => {
      await (await scenario.mesh()).clock.runFor(parseDurationMs(duration));
      return [];
    },
  },
  running: {
    usage: "running",
    run: async (scenario) =>
      scenario.background.map(({ what, isDone }) => `${what}: ${isDone ? "done" : "goes on"}`),
  },
  wait: {
    usage: "wait",
    run: async (scenario) => {
      const work = scenario.background.splice(0);
      return (await scenario.settle(Promise.all(work.map(({ done }) => done)))).flat();
    },
  },
};

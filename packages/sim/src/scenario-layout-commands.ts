/** Drains in a scenario, as an operator orders them and waits for them. */
import { isMeshError, parseDurationMs } from "@hearthmesh/core";
import type { ScenarioCommand } from "./scenario.js";

const POLL_MS = 500;

function order(method: "drain" | "undrain"): ScenarioCommand {
  return {
    usage: `${method} MACHINE [--force]`,
    isWork: true,
    run: async (scenario, [node = "", ...words]) => {
      const mesh = await scenario.mesh();
      const force = words.includes("--force");
      try {
        await scenario.settle(mesh.operate(`layout.${method}`, { node, force }));
        return [`${node} is ${mesh.nodeState(node)}`];
      } catch (error) {
        if (isMeshError(error)) return [`refused: ${error.message}`];
        throw error;
      }
    },
  };
}

export const layoutCommands: Record<string, ScenarioCommand> = {
  drain: order("drain"),
  undrain: order("undrain"),
  "expect-state": {
    usage: "expect-state MACHINE STATE within DURATION",
    run: async (scenario, [node = "", state = "", , duration = ""]) => {
      const mesh = await scenario.mesh();
      const endMs = mesh.clock.monotonicMs() + parseDurationMs(duration);
      while (mesh.nodeState(node) !== state) {
        if (mesh.clock.monotonicMs() >= endMs) {
          return [`error: ${node} is ${mesh.nodeState(node)} after ${duration}`];
        }
        await mesh.clock.runFor(POLL_MS);
      }
      return [`${node} is ${state}`];
    },
  },
};

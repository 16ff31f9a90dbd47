import { describe, expect, it } from "vitest";
import { type Startable, startAll, stopAll } from "./startable.js";

function part(name: string, log: string[], failure?: "start" | "stop"): Startable {
  return {
    name,
    async start() {
      log.push(`start ${name}`);
      if (failure === "start") throw new Error(`${name} cannot start`);
    },
    async stop() {
      log.push(`stop ${name}`);
      if (failure === "stop") throw new Error(`${name} cannot stop`);
    },
  };
}

describe("parts", () => {
  it("start in order and stop in reverse", async () => {
    const log: string[] = [];
    const parts = [part("a", log), part("b", log)];
    await startAll(parts);
    await stopAll(parts);
    expect(log).toEqual(["start a", "start b", "stop b", "stop a"]);
  });

  it("undo a start that failed half-way", async () => {
    const log: string[] = [];
    const parts = [part("a", log), part("b", log, "start"), part("c", log)];
    await expect(startAll(parts)).rejects.toThrowError("b cannot start");
    expect(log).toEqual(["start a", "start b", "stop b", "stop a"]);
  });

  it("stop all even when one fails", async () => {
    const log: string[] = [];
    await expect(stopAll([part("a", log), part("b", log, "stop")])).rejects.toThrowError(
      "b cannot stop",
    );
    expect(log).toEqual(["stop b", "stop a"]);
  });
});

import { type Logger, type Startable, silentLogger } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import { expect, it } from "vitest";
import { stopParts } from "./stop-parts.js";

function partOf(name: string, stop: () => Promise<void>): Startable {
  return { name, start: async () => undefined, stop };
}

it("ends the others in order when one hangs and one fails, and names it", async () => {
  const clock = new ManualClock();
  const ended: string[] = [];
  const left: (string | undefined)[] = [];
  const log: Logger = {
    ...silentLogger,
    error: (_message, fields) => void left.push(fields?.part),
  };
  const end = (name: string) => partOf(name, async () => void ended.push(name));
  const parts = [
    end("store"),
    partOf("links", () => new Promise(() => undefined)),
    partOf("doors", () => Promise.reject(new Error("the door is stuck"))),
    end("page"),
  ];
  const stopped = stopParts(parts, { clock, log });
  const failure = expect(stopped).rejects.toThrow("the door is stuck");
  await clock.advance(14_000);
  expect(ended).toEqual(["page"]);
  await clock.advance(2_000);
  await failure;
  expect(ended).toEqual(["page", "store"]);
  expect(left).toEqual(["links"]);
});

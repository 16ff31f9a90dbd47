/** Lines for people: words of strangers move no cursor and begin no line. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openLogger } from "./logger.js";

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "hearthmesh-logger-"));
});
afterEach(() => rm(home, { recursive: true, force: true }));

it("shows what others wrote as text of one line, and keeps it as it is in the file", async () => {
  const written: string[] = [];
  const screen = new Writable({
    write(piece: Buffer, _encoding, done) {
      written.push(piece.toString("utf8"));
      done();
    },
  });
  const terminal = Object.assign(screen, { isTTY: true }) as unknown as NodeJS.WriteStream;
  const { logger, flush } = openLogger({ home, level: "info", terminal });
  const name = "b\u001b[2J\n00:00:00 error forged \u202e\u009b2J";
  logger.info(`${name} does not answer`, { nodeName: name });
  flush();
  const text = written.join("");
  expect(text.match(/\n/g)).toHaveLength(1);
  for (const one of ["\u001b", "\u202e"]) expect(text).not.toContain(one);
  expect(text).toContain("b?[2J?00:00:00 error forged ??2J does not answer");
  const file = await readFile(join(home, "logs", "node.log"), "utf8");
  // `cat` of the file, or the log of a container, shows it to a terminal too.
  for (const one of ["\u001b", "\u202e", "\u009b"]) expect(file).not.toContain(one);
  expect(JSON.parse(file)).toMatchObject({ nodeName: name });
});

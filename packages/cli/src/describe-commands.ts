/** The program as data, for scripts that write documentation. */
import { PassThrough } from "node:stream";
import { systemClock, systemRandom } from "@hearthmesh/core";
import { createCli } from "./cli.js";
import type { CommandDescription } from "./describe.js";
import { describeProgram } from "./program.js";

export function describeCommands(): CommandDescription {
  const streams = {
    stdin: new PassThrough(),
    stdout: new PassThrough(),
    stderr: new PassThrough(),
  };
  const cli = createCli({
    env: {},
    cwd: ".",
    streams,
    clock: systemClock(),
    random: systemRandom(),
    signal: new AbortController().signal,
  });
  return describeProgram(cli);
}

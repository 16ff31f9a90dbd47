/** Options of a script that is more than a task: a wrong one ends with its usage and with 2. */
import { parseArgs } from "node:util";
import { say } from "./lib.mjs";

export class CommandLine {
  #usage;

  /** @param {string} usage */
  constructor(usage) {
    this.#usage = usage;
  }

  /**
   * The values; `--help` ends the program with 0.
   * @param {import("node:util").ParseArgsConfig["options"]} options
   * @returns {any}
   */
  read(options) {
    const values = this.#parse({ ...options, help: { type: "boolean", default: false } });
    if (!values.help) return values;
    say(this.#usage);
    return process.exit(0);
  }

  /** Ends the program with 2. */
  refuse(words) {
    say(`${words}\n\n${this.#usage}`);
    process.exit(2);
  }

  #parse(options) {
    try {
      return parseArgs({ options }).values;
    } catch (error) {
      return this.refuse(error.message);
    }
  }
}

/** A command of the program: commander's, with examples that are also data. */
import { Command } from "commander";
import { usageError } from "./failures.js";

export class MeshCommand extends Command {
  readonly examples: string[] = [];

  override createCommand(name?: string): MeshCommand {
    return new MeshCommand(name);
  }

  /** Command lines as a person would type them, shown at the end of `--help`. */
  withExamples(...examples: string[]): this {
    this.examples.push(...examples);
    return this.addHelpText("after", () => {
      const lines = this.examples.map((example) => `  $ ${example}`);
      return `\nExamples:\n${lines.join("\n")}`;
    });
  }
}

/**
 * A group such as `mesh invite`: alone it prints its help; an unknown word after it is an error.
 */
export function commandGroup(name: string, summary: string, commands: MeshCommand[]): MeshCommand {
  const group = new MeshCommand(name).description(summary).allowExcessArguments(true);
  for (const command of commands) group.addCommand(command);
  group.action(() => {
    const [unknown] = group.args;
    if (unknown !== undefined) {
      const names = commands.map((command) => command.name()).join(", ");
      throw usageError(
        `${JSON.stringify(unknown)} is not a command of ${fullName(group)}`,
        `There are: ${names}.`,
      );
    }
    group.outputHelp();
  });
  return group;
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}

/** For options that may be given several times. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

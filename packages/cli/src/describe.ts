/** The whole program as data: what the reference page and the shells' completion are made from. */
import type { MeshCommand } from "./command.js";

export interface OptionDescription {
  /** As in the help: `-p, --parents`. */
  readonly flags: string;
  readonly long: string;
  readonly short?: string;
  readonly about: string;
  readonly takesValue: boolean;
}

export interface CommandDescription {
  readonly name: string;
  /** With the names of the groups before it. */
  readonly fullName: string;
  readonly summary: string;
  /** Without the name: `[options] <path> [file]`. */
  readonly usage: string;
  readonly arguments: readonly { readonly name: string; readonly about: string }[];
  readonly options: readonly OptionDescription[];
  readonly examples: readonly string[];
  readonly commands: readonly CommandDescription[];
}

export function describeCommand(command: MeshCommand, before = ""): CommandDescription {
  const fullName = `${before} ${command.name()}`.trim();
  const commands = command.commands.filter((one) => one.name() !== "help");
  return {
    name: command.name(),
    fullName,
    summary: command.description(),
    usage: command.usage(),
    arguments: command.registeredArguments.map((argument) => ({
      name: argument.name(),
      about: argument.description,
    })),
    options: command.options
      .filter((option) => !option.hidden)
      .map((option) => ({
        flags: option.flags,
        long: option.long ?? option.flags,
        ...(option.short === undefined ? {} : { short: option.short }),
        about: option.description,
        takesValue: option.required || option.optional,
      })),
    examples: command.examples,
    commands: commands.map((one) => describeCommand(one as MeshCommand, fullName)),
  };
}

/** `docs/cli.md`: every command with its options and examples, made from the program itself. */
import type { CommandDescription } from "./describe.js";

const HEAD = `# Commands

<!-- Made by \`npm run docs\` from packages/cli/src/commands. -->

\`mesh\` and \`collective\` are one program under two names. Every command explains itself with
\`--help\`. Where a command prints data, \`--json\` prints it for programs.

A command that fails says why in three lines on standard error (the error, what to do, its code from
[errors.md](errors.md)) and ends with the exit status of that code.

**Whom a command talks to.** The first of these that applies: the coordinator that \`--coordinator\`
with \`--ca\`, \`--cert\` and \`--key\` names; the node that runs on this machine from the same
\`MESH_HOME\`; the current collective of the identity in \`MESH_HOME\` (\`mesh identity switch\`).
`;

export function commandReference(program: CommandDescription): string {
  const sections = leaves(program).map((command) => section(command));
  return `${[HEAD, ...sections].join("\n").trimEnd()}\n`;
}

/** Commands that do something, in the order of the help; groups only print their help. */
function leaves(command: CommandDescription): CommandDescription[] {
  if (command.commands.length === 0) return [command];
  return command.commands.flatMap(leaves);
}

function section(command: CommandDescription): string {
  const lines = [`## ${command.fullName}`, "", `${sentence(command.summary)}`, ""];
  lines.push("```", `${command.fullName} ${command.usage}`.trim(), "```", "");
  const rows = [
    ...command.arguments.map((one) => [`\`${one.name}\``, one.about]),
    ...command.options.map((one) => [`\`${one.flags}\``, one.about]),
  ];
  if (rows.length > 0) {
    lines.push("| argument or option | meaning |", "|---|---|");
    lines.push(...rows.map((row) => `| ${row.map(escapeCell).join(" | ")} |`), "");
  }
  if (command.examples.length > 0) {
    lines.push("Examples:", "", "```sh", ...command.examples, "```", "");
  }
  return lines.join("\n");
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function escapeCell(text: string): string {
  return text.replaceAll("|", "\\|");
}

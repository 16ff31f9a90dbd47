/**
 * Scenario files: a story as commands with the output that they gave. A block is one or more
 * command lines, a line `----`, the recorded output, and an empty line. Lines that begin with `#`,
 * and empty lines between blocks, are kept as they are. (The form of etcd-io/raft's interaction
 * tests.)
 */
interface ScenarioBlock {
  readonly kind: "block";
  readonly commands: readonly string[];
  readonly output: readonly string[];
}

interface ScenarioText {
  readonly kind: "text";
  readonly line: string;
}

export type ScenarioPart = ScenarioBlock | ScenarioText;

const SEPARATOR = "----";

/** Throws an `Error` with the line number when the file is not of the form. */
export function parseScenario(text: string): ScenarioPart[] {
  const lines = text.replace(/\n$/, "").split("\n");
  const parts: ScenarioPart[] = [];
  for (let index = 0; index < lines.length; ) {
    const line = lines[index] ?? "";
    if (line === "" || line.startsWith("#")) {
      parts.push({ kind: "text", line });
      index++;
      continue;
    }
    const block = parseBlock(lines, index);
    parts.push(block.part);
    index = block.next;
  }
  return parts;
}

function parseBlock(
  lines: readonly string[],
  first: number,
): { part: ScenarioBlock; next: number } {
  const separator = lines.indexOf(SEPARATOR, first);
  const commands = lines.slice(first, Math.max(separator, first));
  if (separator < 0 || commands.includes("")) {
    throw new Error(`line ${first + 1}: the commands are not followed by "${SEPARATOR}"`);
  }
  const end = lines.indexOf("", separator);
  const next = end < 0 ? lines.length : end;
  const output = lines.slice(separator + 1, next);
  return { part: { kind: "block", commands, output }, next };
}

export function formatScenario(parts: readonly ScenarioPart[]): string {
  const lines = parts.flatMap((part) =>
    part.kind === "text" ? [part.line] : [...part.commands, SEPARATOR, ...part.output],
  );
  return `${lines.join("\n")}\n`;
}

/**
 * Runs each block's commands in order and returns the parts with the output that they gave. An
 * error that a command throws is output too: a story may end badly, and says so.
 */
export async function recordScenario(
  parts: readonly ScenarioPart[],
  execute: (command: string) => Promise<readonly string[]>,
): Promise<ScenarioPart[]> {
  const recorded: ScenarioPart[] = [];
  for (const part of parts) {
    if (part.kind === "text") {
      recorded.push(part);
      continue;
    }
    const output: string[] = [];
    for (const command of part.commands) output.push(...(await execute(command)));
    recorded.push({ ...part, output: output.length === 0 ? ["ok"] : output });
  }
  return recorded;
}

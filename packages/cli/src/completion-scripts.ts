/** Completion for bash, zsh and fish, made from the description of the commands. */
import type { CommandDescription } from "./describe.js";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

const PROGRAMS = ["mesh", "collective"];

export function completionScript(shell: Shell, program: CommandDescription): string {
  if (shell === "bash") return bash(program);
  return shell === "zsh" ? zsh(program) : fish(program);
}

/** Commands and groups, each with the words that may follow it. */
function pages(command: CommandDescription, path: string[] = []): [string, CommandDescription][] {
  const here: [string, CommandDescription] = [path.join(" "), command];
  return [here, ...command.commands.flatMap((one) => pages(one, [...path, one.name]))];
}

function wordsAfter(command: CommandDescription): string {
  const names = command.commands.map((one) => one.name);
  return [...names, ...command.options.map((option) => option.long), "--help"].join(" ");
}

/** Long names of options that a value follows, so that the value is not taken for a command. */
function valueOptions(program: CommandDescription): string[] {
  const all = pages(program).flatMap(([, command]) => command.options);
  return [
    ...new Set(all.filter((option) => option.takesValue).map((option) => option.long)),
  ].sort();
}

function bash(program: CommandDescription): string {
  const cases = pages(program).map(
    ([path, command]) => `    "${path}") words="${wordsAfter(command)}" ;;`,
  );
  const known = pages(program)
    .map(([path]) => path)
    .filter((path) => path !== "")
    .map((path) => `"${path}"`)
    .join(" | ");
  return `# Completion of mesh for bash: source <(mesh completion bash)
_mesh_complete() {
  local word="\${COMP_WORDS[COMP_CWORD]}" path="" words="" next i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in
      ${valueOptions(program).join(" | ")}) ((i++)); continue ;;
      -*) continue ;;
    esac
    next="\${path:+$path }\${COMP_WORDS[i]}"
    case "$next" in
      ${known}) path="$next" ;;
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  if [[ $word != -* ]]; then COMPREPLY+=($(compgen -f -- "$word")); fi
}
complete -o filenames -F _mesh_complete ${PROGRAMS.join(" ")}`;
}

function zsh(program: CommandDescription): string {
  return `#compdef ${PROGRAMS.join(" ")}
# Completion of mesh for zsh: save it as _mesh in a directory of $fpath.
autoload -U +X bashcompinit && bashcompinit
${bash(program)}`;
}

function fish(program: CommandDescription): string {
  const quote = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const lines = ["# Completion of mesh for fish: save it in ~/.config/fish/completions/mesh.fish"];
  for (const name of PROGRAMS) {
    lines.push(`complete -c ${name} -n __fish_use_subcommand -f`);
    for (const [path, command] of pages(program)) {
      const condition = fishCondition(path, command);
      for (const sub of command.commands) {
        lines.push(
          `complete -c ${name} -n ${quote(condition)} -f -a ${sub.name} -d ${quote(sub.summary)}`,
        );
      }
      if (path === "") continue;
      for (const option of command.options) {
        const short = option.short === undefined ? "" : ` -s ${option.short.slice(1)}`;
        const value = option.takesValue ? " -r" : "";
        lines.push(
          `complete -c ${name} -n ${quote(condition)}${short} -l ${option.long.slice(2)}${value}` +
            ` -d ${quote(option.about)}`,
        );
      }
    }
  }
  return lines.join("\n");
}

/** All words of the path were typed, and none of the commands that may follow. */
function fishCondition(path: string, command: CommandDescription): string {
  if (path === "") return "__fish_use_subcommand";
  const typed = path.split(" ").map((word) => `__fish_seen_subcommand_from ${word}`);
  const names = command.commands.map((one) => one.name).join(" ");
  const notYet = names === "" ? [] : [`not __fish_seen_subcommand_from ${names}`];
  return [...typed, ...notYet].join("; and ");
}

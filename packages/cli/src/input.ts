/** What comes from standard input or from the person at the terminal. */
import { limits } from "@hearthmesh/core";
import { type Cli, note } from "./cli.js";
import { usageError } from "./failures.js";

/** An invite code from the command line, or from standard input when it is `-`. */
export async function readCode(cli: Cli, argument: string): Promise<string> {
  if (argument !== "-") return argument;
  if (cli.interactive) note(cli, "Paste the invite code and press Enter:");
  let text = "";
  for await (const piece of cli.stdin) {
    text += String(piece);
    if (text.length > limits.INVITE_TEXT_BYTES_MAX) throw usageError("the code is too long");
    if (text.trim() !== "" && text.includes("\n")) break;
  }
  const code = text.trim();
  if (code === "") throw usageError("no code came from standard input");
  return code;
}

/** Asks for a text; undefined when nobody is there to be asked. */
export async function ask(
  cli: Cli,
  question: { message: string; standard: string; check(value: string): string | undefined },
): Promise<string | undefined> {
  if (!cli.interactive) return undefined;
  const { isCancel, text } = await import("@clack/prompts");
  const answer = await text({
    message: question.message,
    initialValue: question.standard,
    validate: (value) => question.check(value ?? ""),
    output: cli.stderr,
    signal: cli.signal,
  });
  if (isCancel(answer)) throw usageError("nothing was changed", "");
  return answer;
}

/** Shows that something takes its time, when somebody watches. */
export async function waitingFor<Value>(
  cli: Cli,
  message: string,
  work: Promise<Value>,
): Promise<Value> {
  if (!cli.interactive) return work;
  // The failure is reported by the caller; here it only ends the animation.
  work.catch(() => undefined);
  const { spinner } = await import("@clack/prompts");
  const turning = spinner({ output: cli.stderr });
  turning.start(message);
  try {
    return await work;
  } finally {
    turning.clear();
  }
}

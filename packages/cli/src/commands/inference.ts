import { buffer } from "node:stream/consumers";
import type { InferencePart, InferenceQuestion } from "@hearthmesh/client";
import { type Cli, note, print, printJson } from "../cli.js";
import { collect, MeshCommand } from "../command.js";
import { type Door, type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import { usageError } from "../failures.js";
import { printableLines } from "../text.js";
import { parseWholeNumber } from "../whole-number.js";
import { planLines } from "./inference-plan.js";
import { splitNetworks } from "./key-create.js";

interface Options extends DoorOptions {
  prompt?: string;
  maxTokens?: string;
  model?: string;
  temperature?: string;
  topP?: string;
  seed?: string;
  stop?: string[];
  system?: string;
  chat?: boolean;
  stream?: boolean;
  onlyMembers?: string[];
  placement?: string;
  explain?: boolean;
  json?: boolean;
}

type Timings = Extract<InferencePart, { kind: "timings" }>["timings"];

/** A prompt on standard input; the door takes 4 MiB with all that stands around it. */
const PROMPT_BYTES_MAX = 3 << 20;

export function inferenceCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("inference")
    .description("let a model of the mesh go on with a text, or answer it")
    .argument("[prompt]", "the prompt; - reads it from standard input")
    .option("--prompt <text>", "the prompt")
    .option("--max-tokens <number>", "length of the answer; default: as the context allows")
    .option("--model <name>", "name or id; default: the only one, else the demo model")
    .option("--temperature <number>", "0 always takes the likeliest token; default: 0.7")
    .option("--top-p <number>", "only the likeliest tokens up to this probability; default: 1")
    .option("--seed <number>", "the same seed gives the same answer; default: drawn")
    .option("--stop <text>", "end before this text; up to four", collect)
    .option("--chat", "as a message of a chat, by the model's own template")
    .option("--system <text>", "how the model should answer; means --chat")
    .option("--stream", "print the text as it comes; default on a terminal")
    .option("--only-members <names>", "no other node may see the prompt", collect)
    .option("--placement <kind>", "R or T, whatever the planner would choose; for measurements")
    .option("--explain", "show how the request is placed, and why; alone, without answering")
    .option("--json", "the whole answer as JSON, in OpenAI's form")
    .withExamples(
      'mesh inference --prompt "Hello world" --max-tokens 10',
      'mesh inference --chat --system "Answer in one sentence." "What is a mesh?"',
      "mesh inference --model llama-3 --only-members attic,cellar - < letter.txt",
      "mesh inference --explain",
    );
  return withDoorOptions(command).action(async (text: string | undefined, options: Options) => {
    const prompt = await readPrompt(cli, text, options);
    const question = prompt === undefined ? undefined : questionOf(prompt, options);
    await throughNodeDoor(cli, options, async (door) => {
      if (options.explain === true) await explain(cli, door, options, question !== undefined);
      if (question === undefined) return;
      if (options.json === true) await answerAsJson(cli, door, question);
      else await answerAsText(cli, door, question, options.stream ?? cli.terminal);
    });
  });
}

async function readPrompt(
  cli: Cli,
  argument: string | undefined,
  { prompt: option, explain }: Options,
): Promise<string | undefined> {
  if (argument !== undefined && option !== undefined) {
    throw usageError("the prompt stands there twice: once in --prompt, once without it");
  }
  const prompt = argument ?? option;
  if (prompt === undefined) {
    if (explain === true) return undefined;
    throw usageError('which prompt? mesh inference --prompt "Once upon a time"');
  }
  if (prompt !== "-") return prompt;
  return (await buffer(bounded(cli.stdin))).toString("utf8");
}

async function* bounded(stdin: AsyncIterable<Uint8Array | string>): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const piece of stdin) {
    const bytes = Buffer.from(piece);
    size += bytes.length;
    if (size > PROMPT_BYTES_MAX) throw usageError("the prompt is longer than 3 MiB");
    yield bytes;
  }
}

/** Something between always the same and too wild, for small models. */
const TEMPERATURE_DEFAULT = 0.7;

function questionOf(prompt: string, options: Options): InferenceQuestion {
  const { model, stop = [], system } = options;
  const members = splitNetworks(options.onlyMembers ?? []);
  const common = {
    temperature: parseNumber(options.temperature, "--temperature", 2) ?? TEMPERATURE_DEFAULT,
    top_p: parseNumber(options.topP, "--top-p", 1) ?? 1,
    ...(model === undefined ? {} : { model }),
    ...optional("max_tokens", parseWholeNumber(options.maxTokens, "--max-tokens")),
    ...optional("seed", parseWholeNumber(options.seed, "--seed", { least: 0 })),
    ...(stop.length === 0 ? {} : { stop }),
    ...(members.length === 0 ? {} : { only_members: members }),
    ...(options.placement === undefined ? {} : { placement: placementOf(options.placement) }),
  };
  if (options.chat !== true && system === undefined) {
    return { kind: "completion", body: { ...common, prompt } };
  }
  const first = system === undefined ? [] : [{ role: "system" as const, content: system }];
  const messages = [...first, { role: "user" as const, content: prompt }];
  return { kind: "chat", body: { ...common, messages } };
}

function placementOf(text: string): "R" | "T" {
  if (text === "R" || text === "T") return text;
  throw usageError(`--placement is R or T, not ${JSON.stringify(text)}`);
}

function optional<Name extends string>(name: Name, value: number | undefined) {
  return (value === undefined ? {} : { [name]: value }) as { [Key in Name]?: number };
}

function parseNumber(text: string | undefined, option: string, max: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,3}(\.\d{1,15})?$/.test(text) && Number(text) <= max) return Number(text);
  throw usageError(`${option} is a number from 0 to ${max}, not ${JSON.stringify(text)}`);
}

async function explain(
  cli: Cli,
  { api }: Door,
  { model, json, placement, onlyMembers = [] }: Options,
  isBeside: boolean,
): Promise<void> {
  const { planModel } = await import("@hearthmesh/client");
  const plan = await planModel(api, {
    model,
    members: splitNetworks(onlyMembers),
    placement: placement === undefined ? undefined : placementOf(placement),
  });
  if (json === true && !isBeside) return printJson(cli, plan);
  for (const line of planLines(cli, plan)) isBeside ? note(cli, line) : print(cli, line);
}

async function answerAsJson(cli: Cli, { api }: Door, question: InferenceQuestion): Promise<void> {
  const { wholeInference } = await import("@hearthmesh/client");
  printJson(cli, await wholeInference(api, question, cli.signal));
}

/** The text on standard output, what it took on standard error. */
async function answerAsText(
  cli: Cli,
  { api }: Door,
  question: InferenceQuestion,
  isStream: boolean,
): Promise<void> {
  const { streamInference } = await import("@hearthmesh/client");
  const texts: string[] = [];
  let timings: Timings | undefined;
  let usage = { promptTokens: 0, completionTokens: 0 };
  try {
    for await (const part of streamInference(api, question, cli.signal)) {
      if (part.kind === "timings") timings = part.timings;
      else if (part.kind === "usage") usage = part;
      else if (part.kind === "text") {
        texts.push(part.text);
        // What a model says could hold sequences that change the terminal.
        if (isStream) cli.stdout.write(cli.terminal ? printableLines(part.text) : part.text);
      }
    }
  } finally {
    const text = texts.join("");
    if (!isStream) cli.stdout.write(cli.terminal ? printableLines(text) : text);
    if (text !== "") cli.stdout.write("\n");
  }
  for (const line of statsLines(usage, timings)) note(cli, cli.colours.dim(line));
}

function statsLines(
  { promptTokens, completionTokens }: { promptTokens: number; completionTokens: number },
  timings: Timings | undefined,
): string[] {
  const tokens = `${promptTokens} tokens in, ${completionTokens} out`;
  if (timings === undefined) return [tokens];
  const { decodeMs, firstTokenMs, epochs, replayedTokens, pauseMs } = timings;
  // The first token comes with the prompt.
  const speed = decodeMs > 0 ? ((completionTokens - 1) * 1000) / decodeMs : 0;
  const parts = [tokens, `first after ${seconds(firstTokenMs)}`];
  if (speed > 0) parts.push(`${speed.toFixed(1)} tokens/s`);
  if (epochs <= 1) return [parts.join(", ")];
  const lost = `A member was lost: ${replayedTokens} tokens were computed again`;
  return [parts.join(", "), `${lost}, the answer paused for ${seconds(pauseMs)}.`];
}

function seconds(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

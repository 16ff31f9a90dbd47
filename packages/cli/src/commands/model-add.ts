import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import type { ApiClient } from "@hearthmesh/client";
import { formatBytes, fromErrorRecord, sleep } from "@hearthmesh/core";
import type { ModelImportView, ModelView } from "@hearthmesh/gateway/contracts";
import { type Cli, note, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import { usageError } from "../failures.js";
import { type ProgressBar, showProgress } from "../progress.js";
import { printable } from "../text.js";

interface Options extends DoorOptions {
  name?: string;
  sha256?: string;
  detach?: boolean;
  json?: boolean;
}

const READ_BYTES = 1 << 20;
const ASK_EVERY_MS = 500;

export function modelAddCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("add")
    .description("add a model: a GGUF file on this machine, or an address")
    .argument("<file or URL>", "a .gguf file, or http(s)://...")
    .option("--name <name>", "what it is called; default: made of the file's name")
    .option("--sha256 <digits>", "what the file must hash to")
    .option("--detach", "with a URL: return at once; mesh model ls shows how far it is")
    .option("--json", "the model as JSON")
    .withExamples(
      "mesh model add ~/Downloads/tinyllama-1.1b.Q4_0.gguf --name tinyllama",
      "mesh model add https://models.example/qwen2-0.5b.Q8_0.gguf --sha256 3f1c...",
    );
  return withDoorOptions(command).action(async (source: string, options: Options) => {
    if (options.sha256 !== undefined && !/^[0-9a-fA-F]{64}$/.test(options.sha256)) {
      throw usageError("--sha256 needs the 64 hexadecimal digits of a SHA-256");
    }
    const isUrl = /^https?:\/\//i.test(source);
    if (options.detach === true && !isUrl) throw usageError("--detach is for an address");
    await throughNodeDoor(cli, options, async ({ api }) => {
      if (!isUrl) return tell(cli, options, await addFile(cli, api, source, options));
      const model = await addUrl(cli, api, source, options);
      if (model !== undefined) tell(cli, options, model);
    });
  });
}

function tell(cli: Cli, { json }: Options, model: ModelView): void {
  if (json === true) {
    printJson(cli, { model });
    return;
  }
  const { name, architecture, quantisation, sizeBytes } = model;
  const what = `${architecture}, ${quantisation}, ${formatBytes(sizeBytes)}`;
  print(cli, `Added ${printable(name)} (${what}).`);
  print(cli, `  mesh inference --model ${printable(name)} --prompt "Once upon a time"`);
}

async function addFile(
  cli: Cli,
  api: ApiClient,
  source: string,
  { name, sha256 }: Options,
): Promise<ModelView> {
  const { uploadModel } = await import("@hearthmesh/client");
  const path = resolve(cli.cwd, source);
  const found = await stat(path);
  if (!found.isFile()) throw usageError(`${source} is not a file`);
  const bar = await showProgress(cli, `Adding ${basename(path)}`, found.size);
  try {
    const body = counted(createReadStream(path, { highWaterMark: READ_BYTES }), bar);
    const upload = { file: basename(path), name, sha256, body, signal: cli.signal };
    return (await uploadModel(api, upload)).model;
  } finally {
    bar.end();
  }
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  bar: ProgressBar,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of source) {
    yield piece;
    bytes += piece.length;
    bar.update(bytes);
  }
}

/** Undefined when it goes on in the background. */
async function addUrl(
  cli: Cli,
  api: ApiClient,
  url: string,
  { name, sha256, detach, json }: Options,
): Promise<ModelView | undefined> {
  const { cancelModelImport, startModelImport } = await import("@hearthmesh/client");
  const request = {
    url,
    ...(name === undefined ? {} : { name }),
    ...(sha256 === undefined ? {} : { sha256 }),
  };
  const answer = await startModelImport(api, request);
  if (detach === true) {
    if (json === true) printJson(cli, answer);
    else print(cli, `Adding ${printable(answer.import.name)}: mesh model ls shows how far it is.`);
    return undefined;
  }
  const onAbort = () => void cancelModelImport(api, answer.import.id).catch(() => undefined);
  cli.signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await follow(cli, api, answer.import);
  } finally {
    cli.signal.removeEventListener("abort", onAbort);
  }
}

async function follow(cli: Cli, api: ApiClient, first: ModelImportView): Promise<ModelView> {
  const { modelImport } = await import("@hearthmesh/client");
  const titles = { downloading: "Downloading", checking: "Checking", storing: "Storing" };
  let bar: ProgressBar | undefined;
  let shown = "";
  try {
    for (let now = first; ; now = (await modelImport(api, first.id)).import) {
      const { state, model, error } = now;
      if (state === "done" && model !== undefined) return model;
      if (state === "failed") throw fromErrorRecord(error);
      const title = state === "done" ? "" : titles[state];
      const key = `${title} ${now.totalBytes ?? ""}`;
      if (key !== shown) {
        bar?.end();
        if (!cli.interactive && title !== "") note(cli, `${title} ${printable(now.name)} ...`);
        bar = await showProgress(cli, `${title} ${printable(now.name)}`, now.totalBytes);
        shown = key;
      }
      bar?.update(now.doneBytes);
      await sleep(cli.clock, ASK_EVERY_MS, cli.signal);
    }
  } finally {
    bar?.end();
  }
}

import { resolve } from "node:path";
import type { AiEndpointAddRequest, AiEndpointKind } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { collect, MeshCommand } from "../command.js";
import { type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import { usageError } from "../failures.js";
import { printable } from "../text.js";
import { parseWholeNumber } from "../whole-number.js";
import { splitNetworks } from "./key-create.js";

interface Options extends DoorOptions {
  url?: string;
  kind?: string;
  model?: string[];
  keyFile?: string;
  atOnce?: string;
  json?: boolean;
}

const KINDS: readonly AiEndpointKind[] = ["ollama", "llamacpp", "vllm", "openai"];

export function endpointAddCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("add")
    .description("let a server that runs already answer requests to its models, for the mesh")
    .argument("<name>", "name of the endpoint: a-z, 0-9 and -")
    .option("--url <url>", "its address as this node reaches it, such as http://127.0.0.1:11434")
    .option("--kind <kind>", "ollama, llamacpp, vllm or openai; default: openai")
    .option("--model <name>", "only this model of it; repeatable; default: all it names", collect)
    .option("--key-file <file>", "a file with the server's key, that only you can read")
    .option("--at-once <number>", "requests that it gets at a time; default: 4")
    .option("--json", "as JSON")
    .withExamples(
      "mesh endpoint add ollama --url http://127.0.0.1:11434 --kind ollama",
      "mesh endpoint add gpu --url http://192.168.1.20:8000 --kind vllm --at-once 16",
      "mesh endpoint add hosted --url https://models.example/v1 --key-file ~/.keys/hosted",
    );
  return withDoorOptions(command).action(async (name: string, options: Options) => {
    const request = requestOf(cli, name, options);
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { addAiEndpoint } = await import("@hearthmesh/client");
      const answer = await addAiEndpoint(api, request);
      if (options.json === true) return printJson(cli, answer);
      const { endpoint } = answer;
      print(cli, `Added ${printable(endpoint.name)} on ${printable(endpoint.node)}.`);
      if (endpoint.reason !== undefined) print(cli, `  ${printable(endpoint.reason)}`);
      if (endpoint.models.length > 0) {
        print(cli, `Models: ${printable(endpoint.models.join(", "))}`);
      }
      print(cli, "mesh endpoint ls shows whether it answers; every node serves it under /v1.");
    });
  });
}

function requestOf(cli: Cli, name: string, options: Options): AiEndpointAddRequest {
  const { url, kind = "openai", keyFile } = options;
  if (url === undefined) throw usageError("--url is missing: where does it answer?");
  const known = KINDS.find((one) => one === kind);
  if (known === undefined) {
    throw usageError(`--kind is one of ${KINDS.join(", ")}, not ${JSON.stringify(kind)}`);
  }
  const requestsAtOnce = parseWholeNumber(options.atOnce, "--at-once");
  return {
    name,
    url,
    kind: known,
    models: splitNetworks(options.model ?? []),
    ...(keyFile === undefined ? {} : { keyFile: resolve(cli.cwd, keyFile) }),
    ...(requestsAtOnce === undefined ? {} : { requestsAtOnce }),
  };
}

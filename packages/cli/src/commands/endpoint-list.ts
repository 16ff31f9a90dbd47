import type { AiEndpointView } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import { usageError } from "../failures.js";
import { formatTable } from "../table.js";
import { printable } from "../text.js";

type Options = DoorOptions & { json?: boolean };

export function endpointListCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("ls")
    .alias("list")
    .description("servers that take whole requests, on all nodes, and whether they work")
    .option("--json", "as JSON")
    .withExamples("mesh endpoint ls");
  return withDoorOptions(command).action(async (options: Options) => {
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { listAiEndpoints } = await import("@hearthmesh/client");
      const answer = await listAiEndpoints(api);
      if (options.json === true) return printJson(cli, answer);
      if (answer.endpoints.length === 0) {
        print(cli, "No endpoint yet: mesh endpoint add NAME --url URL, where it can be reached.");
        return;
      }
      const columns = ["NAME", "NODE", "HEALTH", "KIND", "LOAD", "COST", "MODELS"].map((title) =>
        title === "LOAD" || title === "COST" ? { title, align: "right" as const } : { title },
      );
      const rows = answer.endpoints.map((endpoint) => rowOf(cli, endpoint));
      for (const line of formatTable(columns, rows, cli.colours.dim)) print(cli, line);
      for (const { name, node, reason } of answer.endpoints) {
        if (reason === undefined) continue;
        print(cli, `${printable(name)} on ${printable(node)}: ${printable(reason)}`);
      }
    });
  });
}

export function endpointShowCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("show")
    .description("all about one server that takes whole requests")
    .argument("<name>", "as mesh endpoint ls shows it")
    .option("--json", "as JSON")
    .withExamples("mesh endpoint show ollama");
  return withDoorOptions(command).action(async (name: string, options: Options) => {
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { listAiEndpoints } = await import("@hearthmesh/client");
      const { endpoints } = await listAiEndpoints(api);
      const found = endpoints.filter((one) => one.name === name);
      if (found.length === 0) {
        throw usageError(`there is no endpoint ${JSON.stringify(name)}`, "See mesh endpoint ls.");
      }
      if (options.json === true) return printJson(cli, found);
      for (const line of found.flatMap((endpoint) => linesOf(cli, endpoint))) print(cli, line);
    });
  });
}

function linesOf(cli: Cli, endpoint: AiEndpointView): string[] {
  const { name, node, kind, requests, requestsAtOnce, reason, url, hasKey, models } = endpoint;
  return [
    `${printable(name)} on ${printable(node)}: ${healthOf(cli, endpoint)}`,
    ...(reason === undefined ? [] : [`  why       ${printable(reason)}`]),
    `  kind      ${kind}`,
    ...(url === undefined ? [] : [`  address   ${printable(url)}`]),
    ...(hasKey === undefined ? [] : [`  key       ${hasKey ? "from a file" : "none"}`]),
    `  requests  ${requests} of ${requestsAtOnce} at a time`,
    `  reached   ${costOf(endpoint)}`,
    `  models    ${models.length === 0 ? "none yet" : printable(models.join(", "))}`,
  ];
}

function rowOf(cli: Cli, endpoint: AiEndpointView): string[] {
  const { name, node, kind, requests, requestsAtOnce, models } = endpoint;
  return [
    printable(name),
    printable(node),
    healthOf(cli, endpoint),
    kind,
    `${requests}/${requestsAtOnce}`,
    costOf(endpoint),
    printable(models.join(", ")),
  ];
}

function healthOf({ colours }: Cli, { health }: AiEndpointView): string {
  const { green, red, yellow } = colours;
  return (health === "ok" ? green : health === "failing" ? red : yellow)(health);
}

function costOf({ local, costMs }: AiEndpointView): string {
  if (local) return "here";
  return costMs === null ? "no way" : `${costMs.toFixed(costMs < 10 ? 1 : 0)} ms`;
}

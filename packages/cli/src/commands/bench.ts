import { formatBytes } from "@hearthmesh/core";
import type { RingBenchResponse } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import { formatTable } from "../table.js";
import { printable } from "../text.js";
import { parseWholeNumber } from "../whole-number.js";

interface Options extends DoorOptions {
  threads?: string;
  model?: string;
  tokens?: string;
  json?: boolean;
}

export function benchEngineCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("engine")
    .description("how fast the engine of this machine reads weights; takes about a second")
    .option("--threads <number>", "default: as the node is configured")
    .option("--json", "as JSON")
    .withExamples("mesh bench engine", "mesh bench engine --threads 4");
  return withDoorOptions(command).action(async (options: Options) => {
    const threads = parseWholeNumber(options.threads, "--threads", { most: 256 });
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { benchEngine } = await import("@hearthmesh/client");
      const found = await benchEngine(api, threads === undefined ? {} : { threads });
      if (options.json === true) return printJson(cli, found);
      const speed = `${(found.bytesPerSecond / 1e9).toFixed(2)} GB/s`;
      print(cli, `${found.engine}, threads ${found.threads}: ${speed} of weights`);
      print(cli, "A model of 1 GB decodes at most that many tokens per second here.");
    });
  });
}

export function benchLinkCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("link")
    .description("round trips and throughput to another member of the pool")
    .argument("<node>", "name or id of the member")
    .option("--json", "as JSON")
    .withExamples("mesh bench link attic", "mesh bench link attic --json");
  return withDoorOptions(command).action(async (node: string, options: Options) => {
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { benchLink } = await import("@hearthmesh/client");
      const found = await benchLink(api, node);
      if (options.json === true) return printJson(cli, found);
      const way = found.relayed ? "through a relay: no ring will use it" : "direct";
      const least = found.roundTripMsLeast.toFixed(3);
      const median = found.roundTripMsP50.toFixed(3);
      const speed = `${(found.bytesPerSecond / 1e6).toFixed(1)} MB/s`;
      print(cli, `To ${printable(found.node)}: ${way}`);
      print(cli, `Round trip: least ${least} ms, median ${median} ms of ${found.rounds}`);
      print(cli, `Throughput: ${speed} (${formatBytes(found.sentBytes)} sent)`);
    });
  });
}

export function benchRingCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("ring")
    .description("answer a fixed prompt whole and split, and compare with what was predicted")
    .option("--model <name>", "name or id; default: the only one, else the demo model")
    .option("--tokens <number>", "length of the answers; default: 64")
    .option("--json", "as JSON")
    .withExamples("mesh bench ring", "mesh bench ring --model llama-3 --tokens 32");
  return withDoorOptions(command).action(async (options: Options) => {
    const { model } = options;
    const tokens = parseWholeNumber(options.tokens, "--tokens", { least: 2, most: 1024 });
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { benchRing } = await import("@hearthmesh/client");
      const found = await benchRing(api, {
        ...(model === undefined ? {} : { model }),
        ...(tokens === undefined ? {} : { tokens }),
      });
      if (options.json === true) return printJson(cli, found);
      for (const line of ringLines(cli, found)) print(cli, line);
    });
  });
}

function ringLines(cli: Cli, { rows }: RingBenchResponse): string[] {
  const shown = (value: number | null, digits: number) =>
    value === null ? "-" : value.toFixed(digits);
  const cells = rows.map((row) => {
    const perToken = (total: number | null) =>
      total === null || row.completionTokens < 2 ? null : total / (row.completionTokens - 1);
    return [
      row.placement === "R" ? "R one member" : "T split",
      printable(row.names.join(", ")),
      shown(row.predictedTokensPerSecond, 1),
      shown(row.tokensPerSecond, 1),
      shown(perToken(row.computeMs), 2),
      shown(perToken(row.exchangeMs), 2),
      shown(row.exchangeMsP50, 3),
      printable(row.failure ?? ""),
    ];
  });
  const titles = ["PLACEMENT", "MEMBERS", "PREDICTED/S", "TOKENS/S"];
  const times = ["COMPUTE MS", "EXCHANGE MS", "EXCHANGE P50", "WHY NOT"];
  const columns = [...titles, ...times].map((title) => ({ title }));
  return formatTable(columns, cells, cli.colours.dim);
}

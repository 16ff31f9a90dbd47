import { formatBytes } from "@hearthmesh/core";
import type { InferenceStatsResponse } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import { printable } from "../text.js";

type Options = DoorOptions & { json?: boolean };
type ModelStats = InferenceStatsResponse["models"][number];

export function inferenceStatsCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("inference-stats")
    .description("what the models of this node did: jobs, tokens, exchanges between members")
    .option("--json", "as JSON")
    .withExamples("mesh inference-stats", "mesh inference-stats --json | jq .tokensPerSecond");
  return withDoorOptions(command).action(async (options: Options) => {
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { inferenceStats } = await import("@hearthmesh/client");
      const stats = await inferenceStats(api);
      if (options.json === true) return printJson(cli, stats);
      for (const line of statsLines(stats)) print(cli, line);
    });
  });
}

function statsLines(stats: InferenceStatsResponse): string[] {
  const { jobsCompleted, jobsFailed, jobsRunning, jobsWaiting } = stats;
  const ended = jobsCompleted + jobsFailed;
  const success = ended === 0 ? "-" : `${((jobsCompleted / ended) * 100).toFixed(1)} %`;
  const workers = stats.models.map(({ worker }) => worker);
  const sum = (pick: (worker: ModelStats["worker"]) => number) =>
    workers.reduce((total, worker) => total + pick(worker), 0);
  const exchanges = sum(({ exchanges }) => exchanges);
  const meanMs = exchanges === 0 ? 0 : sum(({ exchangeMs }) => exchangeMs) / exchanges;
  const speed = stats.tokensPerSecond;
  const rows: [string, string][] = [
    ["Jobs completed", String(jobsCompleted)],
    ["Jobs failed", String(jobsFailed)],
    ["Success", success],
    ["Jobs running, waiting", `${jobsRunning}, ${jobsWaiting}`],
    ["Tokens generated", String(stats.tokensGenerated)],
    ["Prompt tokens", String(stats.promptTokens)],
    ["Average speed", speed === undefined ? "-" : `${speed.toFixed(1)} tokens/s`],
    ["Exchanges", String(exchanges)],
    ["Exchange, mean", exchanges === 0 ? "-" : `${meanMs.toFixed(3)} ms`],
    ["Bytes sent, received", bytesOf(stats)],
    ["Open connections", String(sum(({ connectionsOpen }) => connectionsOpen))],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return [
    ...rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`),
    ...stats.models.flatMap(modelLines),
  ];
}

function bytesOf({ models }: InferenceStatsResponse): string {
  const sent = models.reduce((total, { worker }) => total + worker.bytesSent, 0);
  const received = models.reduce((total, { worker }) => total + worker.bytesReceived, 0);
  return `${formatBytes(sent)}, ${formatBytes(received)}`;
}

function modelLines({ model, placement, members, worker }: ModelStats): string[] {
  const { engine, epoch, replays, exchangeMsP50, exchangeMsP99, exchanges } = worker;
  const memory = engine.weightBytes + engine.cacheBytes + engine.scratchBytes;
  const placed = placement === "R" ? "on one member" : "split";
  const latency =
    exchanges === 0
      ? []
      : [`exchange p50 ${exchangeMsP50.toFixed(3)} ms, p99 ${exchangeMsP99.toFixed(3)} ms`];
  const facts = [`epoch ${epoch}`, `replays ${replays}`, ...latency, formatBytes(memory)];
  return [
    "",
    `${printable(model)}: ${placed}: ${printable(members.join(", "))}`,
    `  ${facts.join(", ")}, ${printable(engine.description)}`,
  ];
}

/** What people do with files in a scenario. Every command ends with `as NAME`. */
import { formatBytes, MeshError, parseDurationMs, parseSizeBytes } from "@hearthmesh/core";
import type { MeshClient } from "./mesh-client.js";
import type { Scenario, ScenarioCommand } from "./scenario.js";

const REPLICA_POLL_MS = 1000;

/** Splits `... as alice` into the other words and alice's client. */
async function asPerson(
  scenario: Scenario,
  words: readonly string[],
): Promise<{ who: string; client: MeshClient; rest: readonly string[] }> {
  const at = words.lastIndexOf("as");
  const who = words[at + 1];
  if (at < 0 || who === undefined) {
    throw new MeshError("MESH_BAD_REQUEST", { message: 'the command does not end with "as NAME"' });
  }
  const client = (await scenario.mesh()).client(who);
  return { who, client, rest: words.slice(0, at) };
}

function parseRange(text: string): { start: number; endInclusive: number } {
  const [start, end] = text.split("-").map(Number);
  return { start: start ?? 0, endInclusive: end ?? 0 };
}

export const fileCommands: Record<string, ScenarioCommand> = {
  write: {
    usage: "write PATH SIZE as NAME [&]",
    isWork: true,
    run: async (scenario, words) => {
      const { who, client, rest } = await asPerson(scenario, words);
      const [path = "", size = ""] = rest;
      const { name, bytes } = scenario.newVersion(parseSizeBytes(size));
      await client.write(path, bytes);
      return [`${who} wrote ${path}: ${name}, ${formatBytes(bytes.length)}`];
    },
  },
  read: {
    usage: "read PATH [FIRST-LAST] as NAME [&]",
    isWork: true,
    run: async (scenario, words) => {
      const { who, client, rest } = await asPerson(scenario, words);
      const [path = "", rangeText] = rest;
      const range = rangeText === undefined ? undefined : parseRange(rangeText);
      const bytes = await client.read(path, range);
      return [`${who} read ${path}: ${scenario.describeBytes(bytes, range?.start)}`];
    },
  },
  list: {
    usage: "list PATH as NAME",
    isWork: true,
    run: async (scenario, words) => {
      const { client, rest } = await asPerson(scenario, words);
      const names = await client.list(rest[0] ?? "/");
      return names.length === 0 ? ["(empty)"] : names;
    },
  },
  mkdir: {
    usage: "mkdir PATH as NAME",
    isWork: true,
    run: async (scenario, words) => {
      const { who, client, rest } = await asPerson(scenario, words);
      await client.makeDirectory(rest[0] ?? "");
      return [`${who} made ${rest[0]}`];
    },
  },
  move: {
    usage: "move FROM TO as NAME",
    isWork: true,
    run: async (scenario, words) => {
      const { who, client, rest } = await asPerson(scenario, words);
      const [from = "", to = ""] = rest;
      await client.move(from, to);
      return [`${who} moved ${from} to ${to}`];
    },
  },
  remove: {
    usage: "remove PATH as NAME",
    isWork: true,
    run: async (scenario, words) => {
      const { who, client, rest } = await asPerson(scenario, words);
      await client.remove(rest[0] ?? "", { recursive: true });
      return [`${who} removed ${rest[0]}`];
    },
  },
  copies: {
    usage: "copies PATH",
    run: async (scenario, [path = ""]) => copyLines(scenario, path),
  },
  "expect-copies": {
    usage: "expect-copies PATH COUNT within DURATION",
    run: async (scenario, [path = "", count = "", , duration = ""]) => {
      const mesh = await scenario.mesh();
      const endMs = mesh.clock.monotonicMs() + parseDurationMs(duration);
      for (;;) {
        const chunks = await scenario.settle(mesh.chunkHolders(path));
        const isEnough = chunks.every((holders) => holders.length >= Number(count));
        if (isEnough) return [`every chunk of ${path} has ${count} copies`];
        if (mesh.clock.monotonicMs() >= endMs) {
          return [`error: not within ${duration}`, ...(await copyLines(scenario, path))];
        }
        await mesh.clock.runFor(REPLICA_POLL_MS);
      }
    },
  },
};

/** One line for each chunk with the nodes that have it. */
async function copyLines(scenario: Scenario, path: string): Promise<string[]> {
  const mesh = await scenario.mesh();
  const chunks = await scenario.settle(mesh.chunkHolders(path));
  if (chunks.length === 0) return ["no chunks: the bytes are in the directory entry"];
  return chunks.map((holders, index) => `chunk ${index}: ${holders.length} copies`);
}

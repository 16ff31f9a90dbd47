/** Prompts, plans, statistics and endpoints as typed at a terminal, against a door that answers. */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Cli } from "../cli.js";
import type { MeshCommand } from "../command.js";
import { runCommand } from "../testing/command-run.js";
import { seemsToRun } from "../testing/running-node.js";
import { endpointAddCommand } from "./endpoint-add.js";
import { endpointListCommand, endpointShowCommand } from "./endpoint-list.js";
import { inferenceCommand } from "./inference.js";
import { inferenceStatsCommand } from "./inference-stats.js";

let directory: string;
let server: Server;
/** By method and path. */
let answers: Record<string, string | object>;
let asked: { path: string; body: Record<string, unknown> }[];

beforeEach(async () => {
  asked = [];
  answers = {};
  server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  directory = await mkdtemp(join(tmpdir(), "mesh-inference-"));
  await seemsToRun(directory, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(directory, { recursive: true });
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
  const text = Buffer.concat(pieces).toString("utf8");
  const path = request.url ?? "";
  asked.push({ path, body: text === "" ? {} : JSON.parse(text) });
  const found = answers[`${request.method} ${path}`];
  const isError = typeof found === "object" && "error" in found;
  response.statusCode = found === undefined ? 404 : isError ? 429 : 200;
  response.end(typeof found === "string" ? found : JSON.stringify(found ?? {}));
}

const run = (make: (cli: Cli) => MeshCommand, ...args: string[]) =>
  runCommand(directory, make, args);
const event = (value: object) => `data: ${JSON.stringify(value)}\n\n`;
const text = (content: string, finish_reason: string | null = null) =>
  event({ choices: [{ text: content, finish_reason }] });

describe("mesh inference", () => {
  it("asks as it was told to, and prints the text", async () => {
    answers["POST /v1/completions"] =
      `: still here\n\n${text(" one")}${text("\n two")}${text("", "stop")}data: [DONE]\n\n`;
    const words = ["--prompt", "Count", "--max-tokens", "9", "--seed", "7", "--stop", "three"];
    const printed = await run(inferenceCommand, ...words, "--only-members", "attic,cellar");
    expect(printed).toBe(" one\n two\n");
    expect(asked[0]?.body).toEqual({
      ...{ prompt: "Count", max_tokens: 9, seed: 7, stop: ["three"], temperature: 0.7, top_p: 1 },
      ...{ only_members: ["attic", "cellar"], stream: true, timings: true },
      stream_options: { include_usage: true },
    });
  });

  it("asks as a chat when it is told how to answer, and shows the JSON", async () => {
    const whole = { choices: [{ message: { content: "A mesh." } }] };
    answers["POST /v1/chat/completions"] = whole;
    const printed = await run(inferenceCommand, "What?", "--system", "Be brief.", "--json");
    expect(JSON.parse(printed)).toEqual(whole);
    expect(asked[0]?.body.messages).toEqual([
      { role: "system", content: "Be brief." },
      { role: "user", content: "What?" },
    ]);
  });

  it("says what went wrong before, in the middle, and at an end that is none", async () => {
    const error = { message: "this API key may use 1 requests at a time. Wait", code: "x" };
    answers["POST /v1/completions"] = { error: { ...error, code: "rate_limit_exceeded" } };
    const ask = () => run(inferenceCommand, "x");
    await expect(ask()).rejects.toMatchObject({ code: "MESH_LIMIT" });
    answers["POST /v1/completions"] =
      text("a") + event({ error: { message: "a member was lost", code: "MESH_RING_BROKEN" } });
    await expect(ask()).rejects.toMatchObject({ code: "MESH_RING_BROKEN" });
    answers["POST /v1/completions"] = text("a");
    await expect(ask()).rejects.toThrow(/broke off/);
  });

  it("refuses what makes no sense, before it asks", async () => {
    for (const wrong of [
      [],
      ["a", "--prompt", "b"],
      ["a", "--temperature", "3"],
      ["a", "--max-tokens", "0"],
      ["a", "--placement", "Z"],
    ]) {
      await expect(run(inferenceCommand, ...wrong)).rejects.toMatchObject({
        code: "MESH_BAD_REQUEST",
      });
    }
    expect(asked).toEqual([]);
  });

  it("explains how a request is placed", async () => {
    const row = { placement: "T", nodeIds: ["a", "b"], names: ["attic", "cellar"] };
    const rows = [
      { ...row, tokensPerSecond: 12.34, memoryBytesPerMember: [1 << 30, 1 << 29], reason: "fast" },
      { ...row, placement: "R", names: ["attic"], memoryBytesPerMember: [], reason: "too large" },
    ];
    const leftOut = [{ name: "pi", reason: "too slow" }];
    const plan = {
      model: "tale",
      chosen: rows[0],
      rows,
      leftOut,
      measured: [],
      text: ["T: it pays."],
    };
    answers["GET /api/inference/plan?model=tale&members=attic%2Ccellar"] = plan;
    const which = ["--model", "tale", "--only-members", "attic,cellar"];
    const printed = await run(inferenceCommand, "--explain", ...which);
    expect(printed).toContain("\nT: it pays.\n");
    expect(printed).toMatch(/Model tale: split, attic, cellar/);
    expect(printed).toMatch(/T split +attic, cellar +12\.3 +1\.0 GiB \+ 512 MiB +fast/);
    expect(printed).toMatch(/R one member +attic +- +too large/);
    expect(printed).toMatch(/pi: too slow/);
  });
});

describe("mesh inference-stats", () => {
  it("adds up what the models did", async () => {
    const engine = { description: "ggml CPU", weightBytes: 1 << 20, cacheBytes: 0 };
    const worker = {
      ...{ epoch: 3, replays: 1, exchanges: 4, exchangeMs: 2, exchangeMsP50: 0.5 },
      ...{ exchangeMsP99: 0.9, bytesSent: 2048, bytesReceived: 1024, connectionsOpen: 2 },
      engine: { ...engine, scratchBytes: 0, threads: 1 },
    };
    answers["GET /api/inference/stats"] = {
      ...{ jobsCompleted: 3, jobsFailed: 1, jobsRunning: 1, jobsWaiting: 2 },
      ...{ tokensGenerated: 90, promptTokens: 12, tokensPerSecond: 31.25 },
      models: [{ model: "tale", placement: "T", members: ["attic", "cellar"], worker }],
    };
    const printed = await run(inferenceStatsCommand);
    expect(printed).toMatch(/Success +75\.0 %/);
    expect(printed).toMatch(/Average speed +31\.3 tokens\/s/);
    expect(printed).toMatch(/Exchange, mean +0\.500 ms/);
    expect(printed).toMatch(/tale: split: attic, cellar\n {2}epoch 3, replays 1/);
  });
});

describe("mesh endpoint", () => {
  const endpoint = {
    ...{ name: "gpu", node: "attic", nodeId: "n", kind: "vllm", health: "failing" },
    ...{ reason: "gpu: \u001b[2Jgone", models: ["large"], requests: 1, requestsAtOnce: 4 },
    ...{ costMs: null, local: false },
  };

  it("adds a server by its address, with the whole path of the key's file", async () => {
    answers["POST /api/endpoints"] = { endpoint };
    const options = ["--url", "http://127.0.0.1:1", "--kind", "vllm", "--at-once", "9"];
    const printed = await run(endpointAddCommand, "gpu", ...options, "--key-file", "k");
    expect(printed).toMatch(/Added gpu on attic/);
    const body = { name: "gpu", url: "http://127.0.0.1:1", kind: "vllm", requestsAtOnce: 9 };
    expect(asked[0]?.body).toMatchObject(body);
    expect(asked[0]?.body.keyFile).toMatch(/^\/.*\/k$/);
    await expect(run(endpointAddCommand, "gpu")).rejects.toThrow(/--url is missing/);
    const kind = run(endpointAddCommand, "gpu", "--url", "http://x", "--kind", "magic");
    await expect(kind).rejects.toThrow(/--kind is one of/);
  });

  it("lists and shows them, without the control characters of others", async () => {
    answers["GET /api/endpoints"] = { endpoints: [endpoint] };
    const listed = await run(endpointListCommand);
    expect(listed).toMatch(/gpu +attic +failing +vllm +1\/4 +no way +large/);
    expect(listed).toContain("gpu on attic: gpu: ?[2Jgone");
    expect(await run(endpointShowCommand, "gpu")).toMatch(/requests +1 of 4 at a time/);
    await expect(run(endpointShowCommand, "none")).rejects.toThrow(/no endpoint "none"/);
  });
});

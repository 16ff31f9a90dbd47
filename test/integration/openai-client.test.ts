/** The `openai` package against real daemons: models, chats, texts, keys, limits, cancelling. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ModelServer } from "../../packages/pool/src/testing/model-server.js";
import { MeshProcesses, mesh, meshOk } from "../../scripts/mesh-processes.mjs";

const folder = mkdtempSync(join(tmpdir(), "hearthmesh-openai-"));
const server = new ModelServer(["tiny:1b", "org/large"]);
let member: MeshProcesses;
let home: string;
let nodeHome: string;
/** At the coordinator, as its operator. */
let client: OpenAI;

beforeAll(async () => {
  await server.start();
  member = await MeshProcesses.start({ folder, storageNodes: 1 });
  home = member.coordinator.home;
  nodeHome = member.nodes[0]?.home ?? "";
  client = clientOf(member.coordinator.httpUrl);
  const keyFile = join(folder, "upstream.key");
  writeFileSync(keyFile, "sk-upstream\n", { mode: 0o600 });
  const add = ["endpoint", "add", "local", "--url", server.url, "--kind", "ollama"];
  // The server is the storage node's; the coordinator reaches it over a link.
  const added = await meshOk(nodeHome, [...add, "--key-file", keyFile]);
  expect(added).toMatch(/Models: tiny:1b, org\/large/);
});
afterAll(async () => {
  await member?.stop();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  server.fault = "none";
  server.mayBegin = Promise.resolve();
  server.seen.length = 0;
});

function clientOf(url: string, apiKey = "none"): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0, timeout: 30_000 });
}

const messages = [{ role: "user" as const, content: "How is the hearth?" }];
const model = "tiny:1b";

/** As `mesh key create --ai` with limits. */
async function newKey(ai: object = {}, scopes = ["ai"]): Promise<string> {
  const answer = await fetch(`${member.coordinator.httpUrl}/api/keys`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ scopes, ...(scopes.includes("ai") ? { ai } : {}) }),
  });
  return ((await answer.json()) as { key: string }).key;
}

describe("the openai package", () => {
  it("lists the models of another node's server, and shows one", async () => {
    const ids = (await client.models.list()).data.map(({ id }) => id);
    expect(ids).toEqual(expect.arrayContaining(["org/large", "tiny:1b"]));
    expect(await client.models.retrieve("org/large")).toMatchObject({ owned_by: "local" });
    await expect(client.models.retrieve("none")).rejects.toMatchObject({
      ...{ status: 404, code: "model_not_found", param: "model" },
    });
  });

  it("gets a chat as a whole and as a stream, with the usage", async () => {
    const whole = await client.chat.completions.create({ model, messages });
    expect(whole.choices[0]?.message.content).toBe("The hearth is warm");
    expect(whole.usage?.total_tokens).toBe(9);
    expect(server.seen[0]?.authorization).toBe("Bearer sk-upstream");
    const options = { stream: true as const, stream_options: { include_usage: true } };
    let text = "";
    let usage: unknown;
    for await (const chunk of await client.chat.completions.create({
      model,
      messages,
      ...options,
    })) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage ?? usage;
    }
    expect(text).toBe("The hearth is warm");
    expect(usage).toMatchObject({ prompt_tokens: 5, completion_tokens: 4 });
  });

  it("gets a text from the door of the node itself, which checks no keys", async () => {
    const near = clientOf(member.nodes[0]?.httpUrl ?? "");
    const stream = await near.completions.create({ model, prompt: "Once", stream: true });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]?.text ?? "";
    expect(text).toBe("The hearth is warm");
    const body = server.seen[0]?.body;
    expect(body).toMatchObject({ model, prompt: "Once" });
    const key = await newKey();
    const keyed = clientOf(member.nodes[0]?.httpUrl ?? "", key).models.list();
    await expect(keyed).rejects.toMatchObject({ status: 401, code: "invalid_api_key" });
  });

  it("sees errors as errors: what the server refuses, and an answer that breaks off", async () => {
    server.fault = { status: 400 };
    const refused = client.chat.completions.create({ model, messages });
    await expect(refused).rejects.toMatchObject({ status: 400, type: "invalid_request_error" });
    server.fault = "cut";
    const stream = await client.chat.completions.create({ model, messages, stream: true });
    const read = async () => {
      for await (const _chunk of stream);
    };
    await expect(read()).rejects.toThrow(/broke off/);
  });

  it("cancels, and the server behind the other node hears of it", async () => {
    server.mayBegin = new Promise(() => undefined);
    const stop = new AbortController();
    const asked = client.chat.completions.create(
      { model, messages, stream: true },
      { signal: stop.signal },
    );
    await expect.poll(() => server.running).toBe(1);
    stop.abort();
    await expect(asked).rejects.toThrow(/abort/i);
    await expect.poll(() => server.running).toBe(0);
  });
});

describe("keys", () => {
  it("need the scope ai, and nothing else does", async () => {
    const url = member.coordinator.httpUrl;
    const listed = async (key: string) => (await clientOf(url, key).models.list()).data.length;
    expect(await listed(await newKey())).toBeGreaterThan(0);
    const wrong = (await newKey()).replace(/-[a-z2-7]{32}-/, `-${"a".repeat(32)}-`);
    for (const [key, status] of [
      [await newKey({}, ["read"]), 403],
      [wrong, 401],
      ["hmk1-nonsense", 401],
    ] as const) {
      await expect(listed(key)).rejects.toMatchObject({ status });
    }
  });

  it("have limits: at a time, in a minute, and tokens in a day", async () => {
    const url = member.coordinator.httpUrl;
    const ask = (key: string) =>
      clientOf(url, key).chat.completions.create({ model, messages }).withResponse();
    const few = await newKey({ requestsPerMinute: 2 });
    const { response } = await ask(few);
    expect(response.headers.get("x-ratelimit-remaining-requests")).toBe("1");
    await ask(few);
    const error = await ask(few).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ status: 429, code: "rate_limit_exceeded" });
    const { headers } = error as { headers: Headers };
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(30);
    const poor = await newKey({ tokensPerDay: 9 });
    await ask(poor);
    expect(server.seen.at(-1)?.body.max_tokens).toBe(9);
    await expect(ask(poor)).rejects.toMatchObject({ status: 429 });
    const one = await newKey({ requestsAtOnce: 1 });
    server.mayBegin = new Promise(() => undefined);
    const stop = new AbortController();
    const held = clientOf(url, one).chat.completions.create(
      { model, messages },
      { signal: stop.signal },
    );
    await expect.poll(() => server.running).toBe(1);
    await expect(ask(one)).rejects.toMatchObject({ status: 429 });
    stop.abort();
    await expect(held).rejects.toThrow(/abort/i);
    server.mayBegin = Promise.resolve();
    await expect.poll(async () => (await ask(one)).response.status).toBe(200);
  });
});

describe("the commands", () => {
  it("answer a prompt from another node's model, and show its server", async () => {
    const asked = ["inference", "--prompt", "Once", "--model", model, "--max-tokens", "10"];
    const answer = await mesh(home, asked);
    expect(answer.stdout).toBe("The hearth is warm\n");
    expect(answer.stderr).toMatch(/5 tokens in, 4 out/);
    const json = JSON.parse(await meshOk(home, [...asked, "--chat", "--json"]));
    expect(json.choices[0].message.content).toBe("The hearth is warm");
    const listed = await meshOk(home, ["endpoint", "ls"]);
    expect(listed).toMatch(/local +alice-node-01 +ok +ollama/);
    const wrong = await mesh(home, ["inference", "--prompt", "x", "--model", "none"]);
    expect([wrong.code, wrong.stderr]).toEqual([3, expect.stringContaining("MESH_MODEL_UNKNOWN")]);
    const metrics = await (await fetch(`${member.coordinator.metricsUrl}/metrics`)).text();
    expect(metrics).toMatch(/mesh_ai_requests_total\{.*outcome="ok"\} [1-9]/);
  });
});

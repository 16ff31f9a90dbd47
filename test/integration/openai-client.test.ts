/**
 * The `openai` package against a pool of two real daemons: models, chats, texts, keys, limits,
 * cancelling; and a chat from the ring while one of the two is killed.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { ModelServer } from "../../packages/pool/src/testing/model-server.js";
import { freePortBase, PORT_STEP } from "../../scripts/free-ports.mjs";
import { MeshProcess, mesh, meshOk } from "../../scripts/mesh-processes.mjs";

const folder = mkdtempSync(join(tmpdir(), "hearthmesh-openai-"));
const homes = { admin: join(folder, "admin"), second: join(folder, "second") };
const ready = { timeout: 40_000, interval: 100 };
/** The second machine's own. */
const server = new ModelServer(["tiny:1b", "org/large"]);
let base = 0;
let admin: MeshProcess;
let second: MeshProcess;
/** At the admin, as its operator. */
let client: OpenAI;

function daemon(home: string, index: number): MeshProcess {
  const portBase = base + index * PORT_STEP;
  const args = ["up", "--port-base", String(portBase), "--beacon", "no"];
  return new MeshProcess({ name: home, home, portBase, args, isCoordinator: index === 0 });
}

async function bothOnline(): Promise<void> {
  for (const { httpUrl } of [admin, second]) {
    await vi.waitFor(async () => {
      const answer = await fetch(`${httpUrl}/api/pools`);
      const { pools } = (await answer.json()) as { pools: { members: { status: string }[] }[] };
      const online = pools[0]?.members.filter(({ status }) => status === "online");
      expect(online).toHaveLength(2);
    }, ready);
  }
}

beforeAll(async () => {
  for (const home of Object.values(homes)) mkdirSync(home);
  base = await freePortBase(2);
  await meshOk(homes.admin, ["init", "--network-id", "test", "--name", "first"]);
  const create = ["pool", "create", "--name", "ring", "--pair", "--json"];
  const made = JSON.parse(await meshOk(homes.admin, create));
  admin = daemon(homes.admin, 0);
  admin.start();
  await admin.ready();
  await meshOk(homes.second, ["init", "--network-id", "test", "--name", "second"]);
  const which = ["--pool-id", made.poolId, "--pool-root-pubkey", made.rootPublicKey];
  const where = ["--name", "ring", "--peer", `127.0.0.1:${9001 + base}`, "--code", "-"];
  await meshOk(homes.second, ["pool", "join", ...which, ...where], { input: made.pairingCode });
  second = daemon(homes.second, 1);
  second.start();
  await bothOnline();
  await server.start();
  client = clientOf(admin.httpUrl);
  const keyFile = join(folder, "upstream.key");
  writeFileSync(keyFile, "sk-upstream\n", { mode: 0o600 });
  const add = ["endpoint", "add", "local", "--url", server.url, "--kind", "ollama"];
  // The admin reaches the server over a link.
  const added = await meshOk(homes.second, [...add, "--key-file", keyFile]);
  expect(added).toMatch(/Models: tiny:1b, org\/large/);
});
afterAll(async () => {
  await Promise.all([admin?.kill("SIGTERM"), second?.kill("SIGTERM")]);
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
  const answer = await fetch(`${admin.httpUrl}/api/keys`, {
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
    const near = clientOf(second.httpUrl);
    const stream = await near.completions.create({ model, prompt: "Once", stream: true });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]?.text ?? "";
    expect(text).toBe("The hearth is warm");
    const body = server.seen[0]?.body;
    expect(body).toMatchObject({ model, prompt: "Once" });
    const key = await newKey();
    const keyed = clientOf(second.httpUrl, key).models.list();
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
    const url = admin.httpUrl;
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
    const url = admin.httpUrl;
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
    const answer = await mesh(homes.admin, asked);
    expect(answer.stdout).toBe("The hearth is warm\n");
    expect(answer.stderr).toMatch(/5 tokens in, 4 out/);
    const json = JSON.parse(await meshOk(homes.admin, [...asked, "--chat", "--json"]));
    expect(json.choices[0].message.content).toBe("The hearth is warm");
    const listed = await meshOk(homes.admin, ["endpoint", "ls"]);
    expect(listed).toMatch(/local +second +ok +ollama/);
    const wrong = await mesh(homes.admin, ["inference", "--prompt", "x", "--model", "none"]);
    expect([wrong.code, wrong.stderr]).toEqual([3, expect.stringContaining("MESH_MODEL_UNKNOWN")]);
    const metrics = await (await fetch(`${admin.metricsUrl}/metrics`)).text();
    expect(metrics).toMatch(/mesh_ai_requests_total\{.*outcome="ok"\} [1-9]/);
  });
});

/**
 * What members exchange is rounded, so where two words are nearly as likely a split model may take
 * the other one. The texts that are compared begin where both ways agree.
 */
const OPENINGS = ["a small boat", "a brave dog", "a red ball", "the rain", "a kind bear", "a lamp"];
const greedy = { model: "demo", temperature: 0, max_tokens: 100 };
const asked = (opening: string) => ({
  ...greedy,
  messages: [{ role: "user" as const, content: `Tell me a story about ${opening}.` }],
});
/** Fields that the mesh adds to those of OpenAI go along as they are. */
const placed = (opening: string, placement: "R" | "T") => ({
  ...{ ...asked(opening), placement, timings: true },
});
const textOf = async (body: ReturnType<typeof asked>) =>
  (await client.chat.completions.create(body)).choices[0]?.message.content ?? "";

describe("a chat of a ring of two", () => {
  it("goes on in the same stream with the same text when one of them is killed", async () => {
    let text = "";
    let opening = "";
    for (const one of OPENINGS) {
      opening = one;
      text = await textOf(placed(one, "R"));
      if ((await textOf(placed(one, "T"))) === text) break;
      text = "";
    }
    expect(text.length).toBeGreaterThan(100);
    const stream = await client.chat.completions.create({ ...placed(opening, "T"), stream: true });
    let streamed = "";
    let parts = 0;
    let timings: { epochs?: number; replayedTokens?: number } = {};
    for await (const chunk of stream) {
      streamed += chunk.choices[0]?.delta.content ?? "";
      parts++;
      if (parts === 5) await second.kill("SIGKILL");
      timings = (chunk as { timings?: typeof timings }).timings ?? timings;
    }
    expect(streamed).toBe(text);
    expect(timings.epochs).toBe(2);
    expect(timings.replayedTokens).toBeGreaterThan(0);
    second.start();
    await bothOnline();
  });

  it("comes by a retry with the same key from the other one when the first is killed", async () => {
    const options = { headers: { "Idempotency-Key": "boat-1" } };
    const body = asked("a small boat");
    const text = await textOf(body);
    const again = { ...body, stream: true as const };
    const first = await clientOf(second.httpUrl).chat.completions.create(again, options);
    let parts = 0;
    const read = async () => {
      for await (const _chunk of first) {
        parts++;
        if (parts === 5) await second.kill("SIGKILL");
      }
    };
    await expect(read()).rejects.toThrow();
    let streamed = "";
    for await (const chunk of await client.chat.completions.create(again, options)) {
      streamed += chunk.choices[0]?.delta.content ?? "";
    }
    expect(streamed).toBe(text);
  });
});

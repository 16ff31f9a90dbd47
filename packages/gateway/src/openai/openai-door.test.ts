/** `/v1` over HTTP in front of a scripted ring: forms, errors, cancelling, retries, limits. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { MeshError, silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { nodeApi } from "../doors/node-api.js";
import {
  doneAfter,
  libraryOf,
  ScriptedInference,
  untilAborted,
  words,
} from "../testing/scripted-inference.js";
import { OpenAiService } from "./openai-service.js";

const clock = systemClock();
const random = systemRandom();
const operator = { kind: "node", spiffeId: "spiffe://home.alice/node/attic" } as Principal;

let inference: ScriptedInference;
let openAi: OpenAiService;
let server: Server;
let close: () => Promise<void>;
let base: string;

beforeEach(async () => {
  inference = new ScriptedInference();
  const sources = { inference, library: libraryOf("tale"), endpoints: undefined };
  openAi = new OpenAiService({ ...sources, clock, random });
  const api = await nodeApi({ clock, random, log: silentLogger, operator, inference, openAi });
  server = createServer((request, response) => api.serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  close = () => api.close();
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await close();
});

const hello = [{ role: "user", content: "Hi" }];

function post(path: string, body: unknown, init: RequestInit = {}) {
  const headers = { "content-type": "application/json", ...init.headers };
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return fetch(`${base}${path}`, { method: "POST", body: text, ...init, headers });
}
const chat = (body: object, init?: RequestInit) =>
  post("/v1/chat/completions", { model: "tale", messages: hello, ...body }, init);

interface Refusal {
  error: { type: string; param: string | null; code: string };
}

/** The data of each event. */
function eventsOf(text: string): string[] {
  return text
    .split("\n\n")
    .filter((event) => event.startsWith("data: "))
    .map((event) => event.slice("data: ".length));
}

describe("an answer as a whole", () => {
  it("of a chat has OpenAI's form", async () => {
    const answer = await chat({});
    expect(answer.headers.get("content-type")).toBe("application/json; charset=utf-8");
    const body = await answer.json();
    expect(body).toEqual({
      id: expect.stringMatching(/^chatcmpl-[0-9a-f]{24}$/),
      object: "chat.completion",
      created: expect.any(Number),
      model: "tale",
      system_fingerprint: expect.stringMatching(/^fp_[0-9a-f]{10}$/),
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "Hello world", refusal: null },
          logprobs: null,
          finish_reason: "stop",
        },
      ],
      usage: { prompt_tokens: 3, completion_tokens: 3, total_tokens: 6 },
    });
    const counted = openAi.metrics("attic").filter(({ value }) => value > 0);
    const tokens = { node: "attic", kind: "completion" };
    expect(counted).toContainEqual({ name: "mesh_ai_tokens_total", labels: tokens, value: 3 });
    const outcome = { node: "attic", operation: "chat", outcome: "ok" };
    expect(counted).toContainEqual({ name: "mesh_ai_requests_total", labels: outcome, value: 1 });
  });

  it("of a text has OpenAI's form, with the times that were asked for", async () => {
    const answer = await post("/v1/completions", { prompt: "Once", max_tokens: 1, timings: true });
    const body = (await answer.json()) as { id: string; choices: unknown };
    expect(body).toMatchObject({ object: "text_completion", timings: { decodeMs: 20 } });
    expect(body.id).toMatch(/^cmpl-/);
    const choice = { text: "Hello", index: 0, logprobs: null, finish_reason: "length" };
    expect(body.choices).toEqual([choice]);
    expect(inference.requests[0]?.prompt).toEqual({ kind: "text", text: "Once" });
  });

  it("passes on what is asked, and puts OpenAI's defaults in its place", async () => {
    const content = [
      { type: "text", text: "Hi" },
      { type: "text", text: "there" },
    ];
    await chat({
      ...{ temperature: 0, top_p: 0.5, top_k: 7, min_p: 0.1, seed: -1, stop: ["a", "b"] },
      ...{ max_completion_tokens: 2, only_members: ["attic"], user: "carol", n: 1 },
      ...{ messages: [{ role: "user", content }], tools: [{ type: "function" }] },
      tool_choice: "none",
    });
    expect(inference.requests[0]).toEqual({
      prompt: { kind: "chat", messages: [{ role: "user", content: "Hi\nthere" }] },
      maxTokens: 2,
      sampling: { temperature: 0, topP: 0.5, topK: 7, minP: 0.1, seed: 2 ** 32 - 1 },
      stop: ["a", "b"],
      model: "id-of-tale",
      onlyMembers: ["attic"],
    });
    await chat({ stop: "." }, { headers: { "x-mesh-only-members": "attic, cellar" } });
    const { sampling, stop, maxTokens, onlyMembers } = inference.requests[1] ?? {};
    expect(sampling).toMatchObject({ temperature: 1, topP: 1, topK: 0, minP: 0 });
    expect([stop, maxTokens, onlyMembers]).toEqual([["."], undefined, ["attic", "cellar"]]);
  });
});

describe("a stream", () => {
  it("of a chat has OpenAI's events, with the usage that was asked for", async () => {
    const answer = await chat({ stream: true, stream_options: { include_usage: true } });
    expect(answer.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    const events = eventsOf(await answer.text());
    expect(events.pop()).toBe("[DONE]");
    const chunks = events.map((event) => JSON.parse(event));
    const { id, created } = chunks[0];
    const head = { id, created, object: "chat.completion.chunk", model: "tale" };
    for (const chunk of chunks) expect(chunk).toMatchObject(head);
    const choice = (delta: object, finish_reason: string | null = null) => ({
      choices: [{ index: 0, delta, logprobs: null, finish_reason }],
      usage: null,
    });
    const rest = chunks.map(({ choices, usage }) => ({ choices, usage }));
    expect(rest).toEqual([
      choice({ role: "assistant", content: "" }),
      choice({ content: "Hello" }),
      choice({ content: " " }),
      choice({ content: "world" }),
      choice({}, "stop"),
      { choices: [], usage: { prompt_tokens: 3, completion_tokens: 3, total_tokens: 6 } },
    ]);
  });

  it("of a text has OpenAI's events, and no usage that nobody asked for", async () => {
    const answer = await post("/v1/completions", { model: "tale", prompt: "Once", stream: true });
    const text = await answer.text();
    const events = eventsOf(text);
    const chunks = events.slice(0, -1).map((event) => JSON.parse(event));
    expect(chunks.map(({ choices }) => choices[0].text).join("")).toBe("Hello world");
    expect(chunks.every((chunk) => chunk.object === "text_completion")).toBe(true);
    expect(text).not.toContain("usage");
    expect(events.at(-1)).toBe("[DONE]");
  });

  it("tells in a comment that a member was lost, and goes on", async () => {
    inference.script = async function* () {
      yield { kind: "started", promptTokens: 3 };
      yield { kind: "text", text: "one ", tokens: [1] };
      yield { kind: "paused", lostNode: "cellar", epoch: 2 };
      yield { kind: "text", text: "two", tokens: [2] };
      yield doneAfter(2);
    };
    const text = await (await chat({ stream: true })).text();
    expect(text).toMatch(/\n: a member was lost, the answer goes on \(epoch 2\)\n/);
    const contents = eventsOf(text)
      .slice(0, -1)
      .map((event) => JSON.parse(event).choices[0].delta.content ?? "");
    expect(contents.join("")).toBe("one two");
  });

  it("ends with the error when it breaks in the middle, and without [DONE]", async () => {
    inference.script = async function* () {
      yield { kind: "started", promptTokens: 3 };
      yield { kind: "text", text: "one", tokens: [1] };
      throw new MeshError("MESH_RING_BROKEN");
    };
    const events = eventsOf(await (await chat({ stream: true })).text());
    expect(events).not.toContain("[DONE]");
    const { error } = JSON.parse(events.at(-1) ?? "");
    expect(error).toMatchObject({ type: "server_error", code: "MESH_RING_BROKEN", param: null });
  });

  it("is cancelled when its client goes away, and the place is free at once", async () => {
    inference.script = async function* (_request, signal) {
      yield { kind: "started", promptTokens: 3 };
      await untilAborted(signal);
    };
    for (const stream of [true, false]) {
      const stop = new AbortController();
      const answer = chat({ stream }, { signal: stop.signal });
      if (stream) await answer;
      await expect.poll(() => inference.running).toBe(1);
      stop.abort();
      await answer.catch(() => undefined);
      await expect.poll(() => inference.running).toBe(0);
    }
  });
});

describe("errors", () => {
  const errorOf = async (answer: Response) => {
    const { error } = (await answer.json()) as Refusal;
    return [answer.status, error.type, error.param, error.code];
  };
  const invalid = "invalid_request_error";

  it("have OpenAI's form and the right status", async () => {
    const failing = async (code: ConstructorParameters<typeof MeshError>[0], details = {}) => {
      inference.script = async function* () {
        yield* [];
        throw new MeshError(code, { details });
      };
      return chat({ stream: true });
    };
    const long = await failing("MESH_CONTEXT_TOO_LONG");
    expect(await errorOf(long)).toEqual([400, invalid, "messages", "context_length_exceeded"]);
    const text = await post("/v1/completions", { prompt: "x" });
    expect(await errorOf(text)).toEqual([400, invalid, "prompt", "context_length_exceeded"]);
    const unknown = await failing("MESH_MODEL_UNKNOWN");
    expect(await errorOf(unknown)).toEqual([404, invalid, "model", "model_not_found"]);
    const busy = await failing("MESH_LIMIT", { retryAfterMs: 2_500 });
    expect(busy.headers.get("retry-after")).toBe("3");
    expect(await errorOf(busy)).toEqual([429, "rate_limit_error", null, "rate_limit_exceeded"]);
    const away = await failing("MESH_RING_NOT_READY");
    expect(away.headers.get("retry-after")).toBe("1");
    expect(await errorOf(away)).toEqual([503, "server_error", null, "MESH_RING_NOT_READY"]);
  });

  it("name the field that is wrong", async () => {
    const wrong: [object, string][] = [
      [{ temperature: 3 }, "temperature"],
      [{ max_tokens: 0 }, "max_tokens"],
      [{ stop: ["a", "b", "c", "d", "e"] }, "stop"],
      [{ messages: [] }, "messages"],
      [{ messages: [{ role: "wizard", content: "x" }] }, "messages.0.role"],
    ];
    for (const [body, param] of wrong) {
      expect(await errorOf(await chat(body))).toEqual([400, invalid, param, "MESH_BAD_REQUEST"]);
    }
    const notJson = await post("/v1/chat/completions", "{");
    expect(await errorOf(notJson)).toEqual([400, invalid, null, "MESH_BAD_REQUEST"]);
    const large = JSON.stringify({ messages: [{ role: "user", content: "x".repeat(5 << 20) }] });
    const tooLarge = await post("/v1/chat/completions", large).catch(() => undefined);
    // The connection may end before all of it was taken.
    if (tooLarge !== undefined) expect(tooLarge.status).toBe(413);
    expect(inference.requests).toEqual([]);
  });

  it("refuse what the ring cannot do", async () => {
    const image = { type: "image_url", image_url: { url: "data:," } };
    const refused: [object, string][] = [
      [{ n: 2 }, "n"],
      [{ logprobs: true }, "logprobs"],
      [{ tools: [{ type: "function" }] }, "tools"],
      [{ response_format: { type: "json_object" } }, "response_format"],
      [{ frequency_penalty: 1 }, "frequency_penalty"],
      [{ logit_bias: { 5: 1 } }, "logit_bias"],
      [{ messages: [{ role: "user", content: [image] }] }, "messages.0.content.0"],
    ];
    for (const [body, param] of refused) {
      const told = await errorOf(await chat(body));
      expect(told).toEqual([400, invalid, param, "unsupported_parameter"]);
    }
    const texts = await post("/v1/completions", { prompt: [[1, 2]] });
    expect(await errorOf(texts)).toEqual([400, invalid, "prompt", "unsupported_parameter"]);
    const harmless = { n: 1, logprobs: false, tools: [], presence_penalty: 0, logit_bias: {} };
    expect((await chat({ ...harmless, response_format: { type: "text" } })).status).toBe(200);
  });

  it("are those of a model that is not there, and of a path that is not there", async () => {
    expect(await errorOf(await fetch(`${base}/v1/models/none`))).toEqual([
      ...[404, invalid, "model", "model_not_found"],
    ]);
    expect(await errorOf(await fetch(`${base}/v1/embeddings`))).toEqual([
      ...[404, invalid, null, "MESH_NOT_FOUND"],
    ]);
    const models = await (await fetch(`${base}/v1/models`)).json();
    const data = [{ id: "tale", object: "model", created: 1, owned_by: "mesh" }];
    expect(models).toEqual({ object: "list", data });
  });
});

describe("a request with an Idempotency-Key", () => {
  const keyed = (key: string, body: object = {}) =>
    chat({ stream: true, ...body }, { headers: { "idempotency-key": key } });

  it("joins the answer that is under way, and repeats one that is there", async () => {
    let goOn: () => void = () => undefined;
    inference.script = async function* (request) {
      yield { kind: "started", promptTokens: 3 };
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
      yield* words(request, ["the", " end"]);
    };
    const first = await keyed("retry-1");
    const second = await keyed("retry-1");
    goOn();
    const text = await first.text();
    expect(eventsOf(text).at(-1)).toBe("[DONE]");
    expect(eventsOf(await second.text())).toEqual(eventsOf(text));
    expect(eventsOf(await (await keyed("retry-1")).text())).toEqual(eventsOf(text));
    expect(inference.requests).toHaveLength(1);
  });

  it("refuses another request with the same key", async () => {
    await (await keyed("retry-2")).text();
    const other = await keyed("retry-2", { temperature: 0 });
    expect([other.status, ((await other.json()) as Refusal).error.code]).toEqual([
      ...[422, "MESH_IDEMPOTENCY_KEY_USED"],
    ]);
    expect((await keyed("two words")).status).toBe(400);
  });

  it("runs anew after a failure, with the same seed as everywhere", async () => {
    inference.script = async function* () {
      yield* [];
      throw new MeshError("MESH_RING_BROKEN");
    };
    expect((await keyed("retry-3")).status).toBe(503);
    inference.script = (request) => words(request, ["good"]);
    expect((await keyed("retry-3")).status).toBe(200);
    const other = new OpenAiService({
      ...{ inference, library: libraryOf("tale"), endpoints: undefined, clock, random },
    });
    const body = { model: "tale", messages: [{ role: "user" as const, content: "Hi" }] };
    const request = { operation: "chat" as const, body: { ...body, stream: true } };
    const call = { caller: { id: "x", limits: undefined }, idempotencyKey: "retry-3" };
    const pieces = other.answer(
      { request: { ...request, onlyMembers: undefined }, ...call },
      new AbortController().signal,
    );
    for await (const _piece of pieces);
    const seeds = inference.requests.map(({ sampling }) => sampling.seed);
    expect(seeds).toEqual([seeds[0], seeds[0], seeds[0]]);
  });

  it("goes on for a while when its client has gone, so that a retry finds it", async () => {
    let goOn: () => void = () => undefined;
    inference.script = async function* (request) {
      yield { kind: "started", promptTokens: 3 };
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
      yield* words(request, ["kept"]);
    };
    const stop = new AbortController();
    const init = { headers: { "idempotency-key": "retry-4" } };
    await chat({ stream: true }, { ...init, signal: stop.signal });
    stop.abort();
    goOn();
    const text = await (await chat({ stream: true }, init)).text();
    expect(text).toContain("kept");
    expect(inference.requests).toHaveLength(1);
  });
});

/** Who answers: the ring or a whole-request member, and what goes there and back. */
import { MeshError, systemClock, systemRandom } from "@hearthmesh/core";
import type { EndpointRequest, EndpointService, EndpointView } from "@hearthmesh/pool";
import { beforeEach, describe, expect, it } from "vitest";
import { libraryOf, ScriptedInference } from "../testing/scripted-inference.js";
import { OpenAiService, type OpenAiServiceOptions } from "./openai-service.js";

const tools = { clock: systemClock(), random: systemRandom() };
const chunk = (delta: object, finish_reason: string | null = null) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
const usage = 'data: {"choices":[],"usage":{"prompt_tokens":4,"completion_tokens":2}}\n\n';

let sent: EndpointRequest[];
let status: number;
/** What the server says, piece by piece. */
let said: string[];
let models: string[];

const endpoints: EndpointService = {
  list: async () => [{ name: "gpu", health: "ok", models } as unknown as EndpointView],
  send: async (request) => {
    sent.push(request);
    async function* body() {
      for (const text of said) yield Buffer.from(text);
    }
    const head = { status, contentType: "text/event-stream", retryAfterMs: 7_000 };
    return { ...head, endpoint: "gpu", nodeName: "attic", body: body() };
  },
  add: async () => Promise.reject(new Error("not here")),
  remove: async () => Promise.reject(new Error("not here")),
};

beforeEach(() => {
  sent = [];
  status = 200;
  models = ["large"];
  said = [chunk({ content: "hi" }), chunk({}, "stop"), usage, "data: [DONE]\n\n"];
});

function ask(options: Partial<OpenAiServiceOptions>, body: object = {}, more: object = {}) {
  const sources = { inference: undefined, library: undefined, endpoints, ...tools, ...options };
  const service = new OpenAiService(sources);
  const messages = [{ role: "user" as const, content: "Hi" }];
  const request = {
    ...{ operation: "chat" as const, onlyMembers: undefined },
    body: { model: "large", messages, stream: true, ...body },
  };
  const call = { request, caller: { id: "a", limits: undefined }, idempotencyKey: undefined };
  const pieces = service.answer({ ...call, ...more }, new AbortController().signal);
  return { service, pieces };
}
async function textsOf({ pieces }: ReturnType<typeof ask>): Promise<string[]> {
  const texts: string[] = [];
  for await (const { text } of pieces) texts.push(text);
  return texts;
}
const bodySent = () => JSON.parse(Buffer.from(sent[0]?.body ?? []).toString("utf8"));
const code = (wanted: string) => expect.objectContaining({ code: wanted });

describe("a whole-request member", () => {
  it("gets the request as it was sent, but for what is the mesh's own", async () => {
    const mine = { only_members: ["attic"], timings: true, placement: "T" };
    const theirs = { tools: [{ type: "function" }], logprobs: true, n: 3, seed: 5 };
    await textsOf(ask({}, { ...mine, ...theirs, stream_options: { other: 1 } }));
    const messages = [{ role: "user", content: "Hi" }];
    expect(bodySent()).toEqual({
      ...{ model: "large", messages, stream: true, ...theirs },
      stream_options: { other: 1, include_usage: true },
    });
    expect(sent[0]).toMatchObject({ model: "large", operation: "chat" });
  });

  it("answers through, with the usage only for who asked for it", async () => {
    const without = await textsOf(ask({}));
    expect(without.map((text) => text.slice(0, 14))).toEqual([
      ...['{"choices":[{"', '{"choices":[{"', "[DONE]"],
    ]);
    const asked = ask({}, { stream_options: { include_usage: true } });
    expect((await textsOf(asked))[2]).toContain('"prompt_tokens":4');
    const counted = asked.service
      .metrics("attic")
      .filter(({ name }) => name === "mesh_ai_tokens_total");
    expect(counted.map(({ value }) => value)).toEqual([4, 2]);
  });

  it("uses up nobody's tokens with numbers that cannot be true", async () => {
    const counts = { prompt_tokens: 2 ** 50, completion_tokens: 2 ** 50 };
    const lie = `data: ${JSON.stringify({ choices: [], usage: counts })}\n\n`;
    said = [chunk({ content: "hi" }), chunk({}, "stop"), lie, "data: [DONE]\n\n"];
    const asked = ask({});
    await textsOf(asked);
    const [prompt, completion] = asked.service
      .metrics("attic")
      .filter(({ name }) => name === "mesh_ai_tokens_total");
    expect([prompt?.value, completion?.value]).toEqual([0, 2]);
    for (const choices of [null, 7, [null]]) {
      said = [`data: ${JSON.stringify({ choices })}\n\n`];
      await expect(textsOf(ask({}))).rejects.toThrow(code("MESH_UPSTREAM_FAILED"));
    }
  });

  it("has ended when it said so, and broken off when it did not", async () => {
    said = [chunk({ content: "hi" }), chunk({}, "stop")];
    expect((await textsOf(ask({}))).at(-1)).toBe("[DONE]");
    said = [chunk({ content: "hi" })];
    await expect(textsOf(ask({}))).rejects.toThrow(code("MESH_UPSTREAM_FAILED"));
    said = ["data: {not json}\n\n"];
    await expect(textsOf(ask({}))).rejects.toThrow(code("MESH_UPSTREAM_FAILED"));
    said = ['data: {"error":{"message":"out of memory"}}\n\n'];
    await expect(textsOf(ask({}))).rejects.toThrow(/gpu: out of memory/);
  });

  it("refuses with its own words, and its failures are not the caller's", async () => {
    said = ['{"error":{"message":"maximum context length is 9"}}'];
    status = 400;
    await expect(textsOf(ask({}))).rejects.toThrow(code("MESH_CONTEXT_TOO_LONG"));
    said = ['{"error":"no such thing"}'];
    await expect(textsOf(ask({}))).rejects.toThrow(/gpu on attic answers 400: no such thing/);
    for (const [answered, expected] of [
      [401, "MESH_UPSTREAM_FAILED"],
      [302, "MESH_UPSTREAM_FAILED"],
      [500, "MESH_UPSTREAM_FAILED"],
      [422, "MESH_BAD_REQUEST"],
      [429, "MESH_LIMIT"],
    ] as const) {
      status = answered;
      await expect(textsOf(ask({}))).rejects.toThrow(code(expected));
    }
  });

  it("is held to the tokens that a key has left", async () => {
    const limits = { requestsAtOnce: 1, requestsPerMinute: 9, tokensPerDay: 50 };
    const more = { caller: { id: "key/a", limits } };
    await textsOf(ask({}, { max_completion_tokens: 70 }, more));
    expect(bodySent()).toMatchObject({ max_completion_tokens: 50 });
    sent = [];
    await textsOf(ask({}, { max_tokens: 20 }, more));
    expect(bodySent()).toMatchObject({ max_tokens: 20 });
  });
});

describe("a model", () => {
  it("of the library is the ring's, also when a member has one of that name", async () => {
    models = ["tale", "large"];
    const inference = new ScriptedInference();
    const sources = { inference, library: libraryOf("tale") };
    await textsOf(ask(sources, { model: "tale" }));
    expect([inference.requests.length, sent.length]).toEqual([1, 0]);
    await textsOf(ask(sources, { model: "large" }));
    expect([inference.requests.length, sent.length]).toEqual([1, 1]);
    await textsOf(ask(sources, { model: undefined }));
    expect(inference.requests.at(-1)?.model).toBe("id-of-tale");
  });

  it("that the ring cannot begin is a member's, and one that it began is not", async () => {
    models = ["tale"];
    const inference = new ScriptedInference(async function* () {
      yield* [];
      throw new MeshError("MESH_MODEL_MEMORY");
    });
    const sources = { inference, library: libraryOf("tale") };
    expect((await textsOf(ask(sources, { model: "tale" }))).at(-1)).toBe("[DONE]");
    expect(sent).toHaveLength(1);
    inference.script = async function* () {
      yield { kind: "started", promptTokens: 1 };
      throw new MeshError("MESH_RING_BROKEN");
    };
    const broken = textsOf(ask(sources, { model: "tale" }));
    await expect(broken).rejects.toThrow(code("MESH_RING_BROKEN"));
    models = [];
    inference.script = async function* () {
      yield* [];
      throw new MeshError("MESH_RING_NOT_READY");
    };
    const nobody = textsOf(ask(sources, { model: "tale" }));
    await expect(nobody).rejects.toThrow(code("MESH_RING_NOT_READY"));
  });

  it("that nobody has is unknown, and so is none among several", async () => {
    await expect(textsOf(ask({}, { model: "none" }))).rejects.toThrow(code("MESH_MODEL_UNKNOWN"));
    expect((await textsOf(ask({}, { model: undefined }))).at(-1)).toBe("[DONE]");
    models = ["a", "b"];
    const which = textsOf(ask({}, { model: undefined }));
    await expect(which).rejects.toThrow(/name one/);
    const off = textsOf(ask({ endpoints: undefined }));
    await expect(off).rejects.toThrow(code("MESH_AI_OFF"));
  });
});

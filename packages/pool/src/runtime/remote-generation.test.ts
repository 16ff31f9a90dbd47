import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { GenerationEvent } from "../ring/generation.js";
import type { InferenceRequest } from "./inference-service.js";
import { EVENT_BYTES_MAX, GENERATE_BODY_BYTES_MAX } from "./limits.js";
import { decodeRequest, encodeEvent, encodeRequest, readEvents } from "./remote-generation.js";

const request: InferenceRequest = {
  model: "m",
  onlyMembers: ["a"],
  placement: "T",
  prompt: { kind: "chat", messages: [{ role: "user", content: "Hello, wörld" }] },
  maxTokens: 7,
  sampling: { temperature: 0.5, topP: 1, topK: 0, minP: 0, seed: 3 },
  stop: ["\n"],
};
const timings = {
  ...{ firstTokenMs: 1, promptMs: 2, decodeMs: 3, computeMs: 4, exchangeMs: 5 },
  ...{ epochs: 1, replayedTokens: 0, pauseMs: 0 },
};
const events: GenerationEvent[] = [
  { kind: "started", promptTokens: 4 },
  { kind: "text", text: "ä b", tokens: [1, 2] },
  { kind: "paused", lostNode: "b", epoch: 2 },
  { kind: "done", finishReason: "stop", promptTokens: 4, completionTokens: 2, timings },
];

async function* pieces(bytes: Uint8Array, sizes: readonly number[]) {
  let from = 0;
  for (const size of sizes) {
    yield bytes.subarray(from, from + size);
    from += size;
  }
  yield bytes.subarray(from);
}

async function all(readable: AsyncIterable<Uint8Array>): Promise<GenerationEvent[]> {
  const found: GenerationEvent[] = [];
  for await (const event of readEvents(readable)) found.push(event);
  return found;
}

describe("a request to another node", () => {
  it("comes out as it went in", () => {
    expect(decodeRequest(encodeRequest(request))).toEqual(request);
    const plain: InferenceRequest = {
      ...request,
      ...{ model: undefined, onlyMembers: undefined, placement: undefined, maxTokens: undefined },
      prompt: { kind: "text", text: "x" },
    };
    expect(decodeRequest(encodeRequest(plain))).toEqual(plain);
  });

  it("is refused when it is too long or not one", () => {
    const long = { ...request, prompt: { kind: "text", text: "x".repeat(5 << 20) } } as const;
    expect(() => encodeRequest(long)).toThrow(`more than ${GENERATE_BODY_BYTES_MAX}`);
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        try {
          decodeRequest(Buffer.from(text));
        } catch (error) {
          expect((error as { code?: unknown }).code).toBe("MESH_PROTOCOL");
        }
      }),
    );
  });
});

describe("the events of an answer", () => {
  it("come out as they went in, however the bytes are cut", async () => {
    const bytes = Buffer.concat(events.map(encodeEvent));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 30 }),
        async (sizes) => {
          expect(await all(pieces(bytes, sizes))).toEqual(events);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("end with an error when the stream ends before, or says what is no event", async () => {
    const cut = Buffer.concat(events.slice(0, 2).map(encodeEvent));
    await expect(all(pieces(cut, []))).rejects.toMatchObject({ code: "MESH_RING_BROKEN" });
    const huge = Buffer.alloc(8);
    huge.writeUInt32BE(EVENT_BYTES_MAX + 1, 0);
    await expect(all(pieces(huge, []))).rejects.toMatchObject({ code: "MESH_PROTOCOL" });
    const odd = encodeEvent({ kind: "odd" } as unknown as GenerationEvent);
    await expect(all(pieces(odd, []))).rejects.toMatchObject({ code: "MESH_PROTOCOL" });
  });
});

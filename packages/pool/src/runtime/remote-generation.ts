/**
 * A request that another node's ring answers, over a stream of a link. The opener sends the request
 * as JSON and ends its side; the leader sends events, each as `u32 length, big-endian | JSON`, and
 * ends with `done`. Either side resets to cancel or to tell an error.
 */
import { MeshError, parseNodeId } from "@hearthmesh/core";
import type { LinkStream } from "@hearthmesh/qwormhole";
import type { ChatMessage, GenerationEvent, Prompt, SamplingOptions } from "../ring/generation.js";
import { STOP_TEXT_CHARACTERS_MAX, STOP_TEXTS_MAX } from "../sampling/limits.js";
import {
  type JsonRecord,
  listOf,
  numberOf,
  optional,
  parseRecord,
  recordOf,
  textOf,
  toBytes,
  wholeOf,
} from "./checked-json.js";
import type { InferenceRequest, Placement } from "./inference-service.js";
import { EVENT_BYTES_MAX, GENERATE_BODY_BYTES_MAX, RING_MEMBERS_MAX } from "./limits.js";

const ROLES: readonly ChatMessage["role"][] = ["system", "user", "assistant", "tool", "developer"];
const TOKENS_MAX = 1 << 24;

export function encodeRequest(request: InferenceRequest): Uint8Array {
  const bytes = toBytes({ v: 1, ...request });
  if (bytes.length <= GENERATE_BODY_BYTES_MAX) return bytes;
  throw new MeshError("MESH_LIMIT", {
    message: `the request has more than ${GENERATE_BODY_BYTES_MAX} bytes`,
  });
}

/** `MESH_PROTOCOL` for anything that is not a request within its limits. */
export function decodeRequest(bytes: Uint8Array): InferenceRequest {
  const record = parseRecord(bytes, GENERATE_BODY_BYTES_MAX);
  return {
    model: optional(record.model, (value) => textOf(value, 128)),
    onlyMembers: optional(record.onlyMembers, (value) =>
      listOf(value, RING_MEMBERS_MAX, (one) => textOf(one, 128)),
    ),
    placement: optional(record.placement, placementOf),
    prompt: promptOf(recordOf(record.prompt)),
    maxTokens: optional(record.maxTokens, (value) => wholeOf(value, 0, TOKENS_MAX)),
    sampling: samplingOf(recordOf(record.sampling)),
    stop: listOf(record.stop, STOP_TEXTS_MAX, (one) => textOf(one, STOP_TEXT_CHARACTERS_MAX)),
  };
}

function placementOf(value: unknown): Placement {
  return value === "T" ? "T" : "R";
}

function promptOf(record: JsonRecord): Prompt {
  if (record.kind === "text") {
    return { kind: "text", text: textOf(record.text, GENERATE_BODY_BYTES_MAX) };
  }
  const messages = listOf(record.messages, 65_536, (item) => {
    const message = recordOf(item);
    const role = ROLES.find((one) => one === message.role) ?? "user";
    return { role, content: textOf(message.content, GENERATE_BODY_BYTES_MAX) };
  });
  return { kind: "chat", messages };
}

function samplingOf(record: JsonRecord): SamplingOptions {
  return {
    temperature: numberOf(record.temperature, 0, 100),
    topP: numberOf(record.topP, 0, 1),
    topK: wholeOf(record.topK, 0, TOKENS_MAX),
    minP: numberOf(record.minP, 0, 1),
    seed: numberOf(record.seed, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
  };
}

/** All that the opener sends, which is the request. */
export async function readRequest(stream: LinkStream): Promise<InferenceRequest> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of stream.readable) {
    length += piece.length;
    if (length > GENERATE_BODY_BYTES_MAX) throw new MeshError("MESH_LIMIT");
    pieces.push(piece);
  }
  return decodeRequest(Buffer.concat(pieces));
}

export function encodeEvent(event: GenerationEvent): Uint8Array {
  const json = Buffer.from(JSON.stringify(event), "utf8");
  const frame = Buffer.allocUnsafe(4 + json.length);
  frame.writeUInt32BE(json.length, 0);
  json.copy(frame, 4);
  return frame;
}

/** The events of a stream, up to `done`. `MESH_PROTOCOL` when it ends before. */
export async function* readEvents(
  readable: AsyncIterable<Uint8Array>,
): AsyncGenerator<GenerationEvent, void, undefined> {
  let rest = Buffer.alloc(0);
  for await (const piece of readable) {
    rest = rest.length === 0 ? Buffer.from(piece) : Buffer.concat([rest, piece]);
    for (;;) {
      const length = rest.length < 4 ? undefined : rest.readUInt32BE(0);
      if (length !== undefined && length > EVENT_BYTES_MAX) throw badEvent();
      if (length === undefined || rest.length < 4 + length) break;
      const event = decodeEvent(rest.subarray(4, 4 + length));
      rest = rest.subarray(4 + length);
      yield event;
      if (event.kind === "done") return;
    }
  }
  throw new MeshError("MESH_RING_BROKEN", { message: "the leader ended the answer too early" });
}

function decodeEvent(bytes: Uint8Array): GenerationEvent {
  const record = parseRecord(bytes, EVENT_BYTES_MAX);
  switch (record.kind) {
    case "started":
      return { kind: "started", promptTokens: wholeOf(record.promptTokens, 0, TOKENS_MAX) };
    case "text":
      return {
        kind: "text",
        text: textOf(record.text, EVENT_BYTES_MAX),
        tokens: listOf(record.tokens, 65_536, (token) => wholeOf(token, 0, TOKENS_MAX)),
      };
    case "paused":
      return {
        kind: "paused",
        lostNode: textOf(record.lostNode, 128),
        epoch: wholeOf(record.epoch, 0, Number.MAX_SAFE_INTEGER),
      };
    case "done":
      return doneOf(record);
    default:
      throw badEvent();
  }
}

function doneOf(record: JsonRecord): GenerationEvent {
  const timings = recordOf(record.timings);
  const time = (name: string) => numberOf(timings[name], 0, 1e12);
  return {
    kind: "done",
    finishReason: record.finishReason === "stop" ? "stop" : "length",
    promptTokens: wholeOf(record.promptTokens, 0, TOKENS_MAX),
    completionTokens: wholeOf(record.completionTokens, 0, TOKENS_MAX),
    timings: {
      firstTokenMs: time("firstTokenMs"),
      promptMs: time("promptMs"),
      decodeMs: time("decodeMs"),
      computeMs: time("computeMs"),
      exchangeMs: time("exchangeMs"),
      epochs: time("epochs"),
      replayedTokens: time("replayedTokens"),
      pauseMs: time("pauseMs"),
    },
  };
}

function badEvent(): MeshError {
  return new MeshError("MESH_PROTOCOL", { message: "the leader sent an event that is none" });
}

/** Names or ids of nodes to ids; `MESH_BAD_REQUEST` for one that nobody has. */
export function nodeIdsOf(
  names: readonly string[] | undefined,
  members: readonly { readonly nodeId: string; readonly name: string }[],
) {
  return names?.map((name) => {
    // Ids first: nobody gets the prompt of another node by being called like its id.
    const found =
      members.find(({ nodeId }) => nodeId === name) ?? members.find((one) => one.name === name);
    if (found !== undefined) return parseNodeId(found.nodeId);
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `no member of the pool is called ${JSON.stringify(name.slice(0, 80))}`,
      hint: "`mesh pool peers` shows the members.",
    });
  });
}

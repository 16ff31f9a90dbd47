/**
 * The answer of a whole-request member, passed on as it comes. It is looked at only for its usage,
 * and for its end: a stream that breaks off becomes an error, and never a short answer.
 */
import { MeshError } from "@hearthmesh/core";
import type { EndpointAnswer } from "@hearthmesh/pool";
import {
  type AnswerForm,
  type AnswerMeter,
  type AnswerPiece,
  STREAM_END,
  upstreamFailed,
} from "./answer-piece.js";
import { EventStreamReader } from "./event-stream-reader.js";
import {
  ANSWER_CHARACTERS_MAX,
  UPSTREAM_MESSAGE_CHARACTERS_MAX,
  UPSTREAM_TOKENS_MAX,
} from "./limits.js";

type Form = Pick<AnswerForm, "isStream" | "includeUsage">;

interface UpstreamChunk {
  readonly choices?: readonly ({ finish_reason?: unknown } | null)[] | null;
  readonly usage?: { prompt_tokens?: unknown; completion_tokens?: unknown } | null;
  readonly error?: unknown;
}

/** Throws `MESH_UPSTREAM_FAILED`, and what the server refused as the caller's own error. */
export async function* passedAnswer(
  answer: EndpointAnswer,
  form: Form,
  meter: AnswerMeter,
): AsyncGenerator<AnswerPiece> {
  if (answer.status >= 300) throw await refusalOf(answer);
  if (form.isStream) yield* asStream(answer, form, meter);
  else yield await asWhole(answer, meter);
}

async function* asStream(
  answer: EndpointAnswer,
  form: Form,
  meter: AnswerMeter,
): AsyncGenerator<AnswerPiece> {
  const reader = new EventStreamReader();
  let isFinished = false;
  for await (const event of eventsOf(answer, reader)) {
    if (event === STREAM_END) {
      isFinished = true;
      break;
    }
    const chunk = parse(event);
    if (chunk.error !== undefined && chunk.error !== null) {
      throw upstreamFailed(`${answer.endpoint}: ${messageOf(chunk)}`);
    }
    const choices = Array.isArray(chunk.choices) ? chunk.choices : [];
    noteUsage(chunk, meter);
    if (choices.length > 0) meter.text(chunk.usage ? 0 : 1);
    // It was asked for here, and by the caller perhaps not.
    else if (!form.includeUsage) continue;
    if (choices.some((choice) => typeof choice?.finish_reason === "string")) isFinished = true;
    yield { kind: "data", text: event };
  }
  if (!isFinished) throw upstreamFailed(`${answer.endpoint} on ${answer.nodeName} broke off`);
  yield { kind: "data", text: STREAM_END };
}

async function* eventsOf(
  { body }: EndpointAnswer,
  reader: EventStreamReader,
): AsyncGenerator<string> {
  for await (const bytes of body) yield* reader.feed(bytes);
  yield* reader.end();
}

async function asWhole(answer: EndpointAnswer, meter: AnswerMeter): Promise<AnswerPiece> {
  const text = await readWhole(answer, ANSWER_CHARACTERS_MAX);
  const body = parse(text);
  meter.text(0);
  noteUsage(body, meter);
  return { kind: "data", text };
}

async function readWhole({ body, endpoint }: EndpointAnswer, max: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const bytes of body) {
    length += bytes.length;
    if (length > max) throw upstreamFailed(`the answer of ${endpoint} is too long`);
    pieces.push(bytes);
  }
  return Buffer.concat(pieces).toString("utf8");
}

function parse(text: string): UpstreamChunk {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as UpstreamChunk;
  } catch {
    // Falls through: where the JSON broke helps nobody.
  }
  throw upstreamFailed("the model server sent something that is not JSON");
}

function noteUsage({ usage }: UpstreamChunk, meter: AnswerMeter): void {
  const { prompt_tokens: prompt, completion_tokens: completion } = usage ?? {};
  if (isCount(prompt) && isCount(completion)) meter.usage(prompt, completion);
}

/** What cannot be true is not counted: it would use up what the caller may have in a day. */
function isCount(value: unknown): value is number {
  const count = Number.isSafeInteger(value) ? (value as number) : -1;
  return count >= 0 && count <= UPSTREAM_TOKENS_MAX;
}

/** Statuses by which a server says that the request itself is wrong. */
const CALLERS_FAULT: ReadonlySet<number> = new Set([400, 404, 409, 413, 415, 422]);

async function refusalOf(answer: EndpointAnswer): Promise<MeshError> {
  const { status, endpoint, nodeName, retryAfterMs } = answer;
  const text = await readWhole(answer, ANSWER_CHARACTERS_MAX).catch(() => "");
  const said = messageOf(parseOrNothing(text));
  const message = `${endpoint} on ${nodeName} answers ${status}: ${said}`;
  if (status === 429) {
    const details = retryAfterMs === undefined ? {} : { retryAfterMs };
    return new MeshError("MESH_LIMIT", { message, details });
  }
  if (!CALLERS_FAULT.has(status)) return upstreamFailed(message);
  if (/context.{0,20}(length|size|window)/i.test(said)) {
    return new MeshError("MESH_CONTEXT_TOO_LONG", { message });
  }
  const hint = "The request is not as that model server wants it.";
  return new MeshError("MESH_BAD_REQUEST", { message, hint });
}

function parseOrNothing(text: string): UpstreamChunk {
  try {
    return (JSON.parse(text) ?? {}) as UpstreamChunk;
  } catch {
    return {};
  }
}

/** What servers say in `{ error: { message } }` or `{ error }`. */
function messageOf({ error }: UpstreamChunk): string {
  const inner = (error as { message?: unknown } | undefined)?.message ?? error;
  const text = typeof inner === "string" ? inner : "it gives no reason";
  return text.slice(0, UPSTREAM_MESSAGE_CHARACTERS_MAX);
}

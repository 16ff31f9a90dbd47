/** From the events of the ring to OpenAI's forms, event by event or as a whole. */
import { MeshError } from "@hearthmesh/core";
import type { GenerationEvent } from "@hearthmesh/pool";
import {
  type AnswerForm,
  type AnswerMeter,
  type AnswerPiece,
  STREAM_END,
  usageOf,
} from "./answer-piece.js";
import { ANSWER_CHARACTERS_MAX } from "./limits.js";

type Done = Extract<GenerationEvent, { kind: "done" }>;

/** Throws what the generation throws, and `MESH_ENGINE_FAILED` when it ends without an end. */
export function generatedAnswer(
  events: AsyncIterable<GenerationEvent>,
  form: AnswerForm,
  meter: AnswerMeter,
): AsyncGenerator<AnswerPiece> {
  return form.isStream ? asStream(events, form, meter) : asWhole(events, form, meter);
}

async function* asStream(
  events: AsyncIterable<GenerationEvent>,
  form: AnswerForm,
  meter: AnswerMeter,
): AsyncGenerator<AnswerPiece> {
  let done: Done | undefined;
  for await (const event of events) {
    note(event, meter);
    if (event.kind === "done") done = event;
    else {
      const piece = streamPiece(event, form);
      if (piece !== undefined) yield piece;
    }
  }
  if (done === undefined) throw noEnd();
  yield data({ ...chunk(form, lastChoice(form, done)), ...timingsOf(form, done) });
  if (form.includeUsage) {
    const { promptTokens, completionTokens } = done;
    yield data({
      ...head(form, true),
      choices: [],
      usage: usageOf(promptTokens, completionTokens),
    });
  }
  yield { kind: "data", text: STREAM_END };
}

function streamPiece(
  event: Exclude<GenerationEvent, Done>,
  form: AnswerForm,
): AnswerPiece | undefined {
  const isChat = form.operation === "chat";
  switch (event.kind) {
    case "started":
      // A chat begins with who speaks; for a text there is nothing to say yet.
      if (!isChat) return { kind: "note", text: "started" };
      return data(chunk(form, chatChoice({ role: "assistant", content: "" }, null)));
    case "text":
      if (event.text === "") return undefined;
      return data(
        chunk(form, isChat ? chatChoice({ content: event.text }, null) : textChoice(event.text)),
      );
    case "paused":
      return { kind: "note", text: `a member was lost, the answer goes on (epoch ${event.epoch})` };
  }
}

async function* asWhole(
  events: AsyncIterable<GenerationEvent>,
  form: AnswerForm,
  meter: AnswerMeter,
): AsyncGenerator<AnswerPiece> {
  const texts: string[] = [];
  let characters = 0;
  let done: Done | undefined;
  for await (const event of events) {
    note(event, meter);
    if (event.kind === "done") done = event;
    else if (event.kind === "text") {
      characters += event.text.length;
      if (characters > ANSWER_CHARACTERS_MAX) throw new MeshError("MESH_LIMIT");
      texts.push(event.text);
    }
  }
  if (done === undefined) throw noEnd();
  const { finishReason, promptTokens, completionTokens } = done;
  const content = texts.join("");
  const choice =
    form.operation === "chat"
      ? {
          index: 0,
          message: { role: "assistant", content, refusal: null },
          logprobs: null,
          finish_reason: finishReason,
        }
      : textChoice(content, finishReason);
  yield data({
    ...head(form, false),
    choices: [choice],
    usage: usageOf(promptTokens, completionTokens),
    ...timingsOf(form, done),
  });
}

function note(event: GenerationEvent, meter: AnswerMeter): void {
  if (event.kind === "started") meter.promptTokens = event.promptTokens;
  else if (event.kind === "text") meter.text(event.tokens.length);
  else if (event.kind === "done") meter.usage(event.promptTokens, event.completionTokens);
}

function head({ operation, id, created, model, fingerprint }: AnswerForm, isStream: boolean) {
  const object =
    operation === "completion"
      ? "text_completion"
      : isStream
        ? "chat.completion.chunk"
        : "chat.completion";
  return { id, object, created, model, system_fingerprint: fingerprint };
}

/** With `include_usage` every event but the last one says that it has none. */
function chunk(form: AnswerForm, choice: object) {
  const usage = form.includeUsage ? { usage: null } : {};
  return { ...head(form, true), choices: [choice], ...usage };
}

function chatChoice(delta: object, finishReason: string | null) {
  return { index: 0, delta, logprobs: null, finish_reason: finishReason };
}

function textChoice(text: string, finishReason: string | null = null) {
  return { text, index: 0, logprobs: null, finish_reason: finishReason };
}

function lastChoice({ operation }: AnswerForm, { finishReason }: Done) {
  return operation === "chat" ? chatChoice({}, finishReason) : textChoice("", finishReason);
}

function timingsOf({ includeTimings }: AnswerForm, { timings }: Done) {
  return includeTimings ? { timings } : {};
}

function data(value: object): AnswerPiece {
  return { kind: "data", text: JSON.stringify(value) };
}

function noEnd(): MeshError {
  return new MeshError("MESH_ENGINE_FAILED", { message: "the answer broke off" });
}

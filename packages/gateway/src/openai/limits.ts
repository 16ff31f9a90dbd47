/** Every named maximum of the OpenAI-compatible door, with its unit. */

/** Body of one request: the longest prompts with room. */
export const OPENAI_BODY_BYTES_MAX = 4 << 20;
/** Requests that are answered at one node at a time, whoever asks. */
export const AI_REQUESTS_AT_ONCE_MAX = 256;
/** What a key may do when it was made without limits of its own. */
export const AI_KEY_REQUESTS_AT_ONCE_DEFAULT = 4;
export const AI_KEY_REQUESTS_PER_MINUTE_DEFAULT = 120;
export const AI_KEY_TOKENS_PER_DAY_DEFAULT = 1_000_000;
/** Callers whose use is counted; the one that was away longest is forgotten first. */
export const AI_CALLERS_COUNTED_MAX = 1_024;
/**
 * The head of a stream waits so long for the first part, so that an error can have its status;
 * then it is sent, and comments follow until there is a part.
 */
export const STREAM_HEAD_WAIT_MS = 3_000;
/** Silence after which a comment is sent; proxies cut at 30 to 60 s. */
export const STREAM_HEARTBEAT_MS = 10_000;
/** A client that takes nothing for so long is cut, and its place is free. */
export const SLOW_CLIENT_MS_MAX = 30_000;
/** An answer that is sent as a whole, and one event of a whole-request member. */
export const ANSWER_CHARACTERS_MAX = 16 << 20;
export const UPSTREAM_EVENT_CHARACTERS_MAX = 1 << 20;
/** Tokens of one answer and its prompt that another server may speak of, each. */
export const UPSTREAM_TOKENS_MAX = 1 << 24;
/** What is told of another server's error. */
export const UPSTREAM_MESSAGE_CHARACTERS_MAX = 500;

/** The header `Idempotency-Key`. */
export const IDEMPOTENCY_KEY_CHARACTERS_MAX = 255;
/** Answers that are kept for a retry: in number, in all characters, and of one answer. */
export const ANSWERS_KEPT_MAX = 256;
export const ANSWERS_KEPT_CHARACTERS_MAX = 32 << 20;
export const ANSWER_KEPT_CHARACTERS_MAX = 4 << 20;
/** How long an answer is kept after its end. */
export const ANSWER_KEPT_MS = 600_000;
/** An answer with a key goes on so long without anybody who reads it. */
export const ANSWER_ORPHAN_MS = 10_000;

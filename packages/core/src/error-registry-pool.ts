/** What can go wrong with pools, models and engines. */
import { define } from "./error-definition.js";

export const pool = {
  MESH_POOL_UNKNOWN: define(
    404,
    3,
    "there is no such pool",
    "`mesh pool list` shows the pools; `mesh pool create` makes one, `mesh pool join` joins one.",
  ),
  MESH_POOL_EXISTS: define(
    409,
    5,
    "a pool of this name is there already",
    "Choose another name with `--name`, or go on with the one that is there: `mesh pool list`.",
  ),
  MESH_POOL_REQUEST_UNKNOWN: define(
    404,
    3,
    "no machine asks to join under this name or fingerprint",
    "`mesh pool requests` shows who asks now; a request is kept for ten minutes.",
  ),
  MESH_POOL_REFUSED: define(
    403,
    4,
    "the pool's admin refused this machine",
    "Ask the admin; ten minutes later `mesh pool join` may ask again.",
  ),
  MESH_POOL_PENDING: define(
    409,
    6,
    "nobody has approved this machine yet",
    "The admin runs `mesh pool approve` and compares the words; then join again.",
  ),
  MESH_POOL_NOT_ADMIN: define(
    409,
    4,
    "this machine is not the admin of the pool",
    "Run the command on the machine that made the pool: `mesh pool list` names it.",
  ),
  MESH_PAIRING_INVALID: define(
    403,
    9,
    "the pairing code is not right or no longer valid",
    "The admin makes a new one with `mesh pool pair`; codes hold for a short time.",
  ),
  MESH_POOL_ENTRY_INVALID: define(
    400,
    9,
    "the statement about the pool is not signed by who may say it",
    "A member speaks for itself and the admin for the pool; see the log for who sent it.",
  ),
  MESH_RING_NOT_READY: define(
    503,
    6,
    "the ring is not ready",
    "`mesh ring status` shows who is there and what to do; `mesh inference --explain` tells more.",
  ),
  MESH_RING_BROKEN: define(
    503,
    6,
    "a member of the ring was lost and the others cannot go on",
    "`mesh inference --explain` shows what is missing; start the machine again, or add one.",
  ),
  MESH_RING_FRAME_INVALID: define(
    502,
    8,
    "a member of the ring sent something that does not fit",
    "Look at its log; all members should run the same version of Hearthmesh.",
  ),
  MESH_RING_DIVERGED: define(
    502,
    8,
    "the members of the ring no longer compute the same",
    "One machine computes wrongly: look at its log and memory, and take it out of the pool.",
  ),
  MESH_MODEL_UNKNOWN: define(
    404,
    3,
    "there is no such model",
    "`mesh model ls` shows the models; `mesh model add FILE` adds one.",
  ),
  MESH_MODEL_EXISTS: define(
    409,
    5,
    "a model of this name is there already",
    "Choose another name with `--name`, or remove the old one with `mesh model rm`.",
  ),
  MESH_MODEL_DOWNLOAD: define(
    502,
    6,
    "the model could not be downloaded",
    "Run the same command again: it goes on where it was. Check the address in a browser.",
  ),
  MESH_MODEL_DAMAGED: define(
    400,
    8,
    "the model file is damaged or not a GGUF file",
    "Get the file again; its size and hash stand where it came from.",
  ),
  MESH_MODEL_UNSUPPORTED: define(
    400,
    2,
    "this kind of model is not supported",
    "Supported: GGUF of llama, qwen2 and qwen3 in F32, F16, BF16, Q4_0, Q8_0, Q4_K, Q5_K, Q6_K.",
  ),
  MESH_MODEL_MEMORY: define(
    507,
    7,
    "there is not enough memory for this model",
    "`mesh model plan` shows what each machine needs; add a machine, or use a smaller model.",
  ),
  MESH_CONTEXT_TOO_LONG: define(
    400,
    7,
    "the prompt is longer than the context of the model",
    "Make it shorter, or start with a larger `ai.contextTokens` when the model allows it.",
  ),
  MESH_ENGINE_MISSING: define(
    501,
    2,
    "the engine's libraries are not on this machine",
    "Install with optional packages, or point MESH_GGML_DIR at ggml's libraries of this version.",
  ),
  MESH_ENGINE_FAILED: define(
    500,
    1,
    "the engine failed",
    "The request can be made again; the log says what the engine said.",
  ),
  MESH_AI_OFF: define(
    501,
    2,
    "this node runs no models",
    "Ask a node with the role ai; `mesh pool create` and `mesh pool join` make one of a machine.",
  ),
  MESH_IDEMPOTENCY_KEY_USED: define(
    422,
    5,
    "this Idempotency-Key was used for another request",
    "Use a new key for a new request; the same key is for a retry of the same one.",
  ),
  MESH_UPSTREAM_FAILED: define(
    502,
    6,
    "the model server behind this model gave no good answer",
    "`mesh endpoint list` shows its health; look at that server's own log.",
  ),
} as const;

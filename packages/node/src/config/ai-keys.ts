/** The keys of the AI pool: whether this node runs models, with what, and how much of it. */
import { z } from "zod";
import { duration, host, key, size, whole } from "./key-forms.js";

export const AI_KEYS = {
  "ai.enabled": key(
    z.preprocess(
      (value) => (typeof value === "boolean" ? String(value) : value),
      z.enum(["auto", "true", "false"]),
    ),
    "auto",
    "ai",
    ["MESH_AI"],
    "Whether this node runs models. auto: when it has the role ai; false: it only passes " +
      "requests on to nodes that do.",
  ),
  "ai.engine": key(
    z.enum(["auto", "ggml", "reference"]),
    "auto",
    "ai-engine",
    ["MESH_AI_ENGINE"],
    "What computes. ggml: the prebuilt libraries; reference: plain TypeScript, slow, for tests. " +
      "auto: ggml where its libraries are installed.",
  ),
  "ai.threads": key(
    whole(1, 256),
    "",
    "ai-threads",
    ["MESH_AI_THREADS"],
    "Threads of an engine. Default: one less than the machine's cores, at least one.",
  ),
  "ai.memory": key(
    size,
    "",
    "ai-memory",
    ["MESH_AI_MEMORY"],
    "Memory for models on this node, all together. Default: what is free when a model is loaded, " +
      "less a reserve for everything else.",
  ),
  "ai.contextTokens": key(
    whole(16, 1_048_576),
    "2048",
    "ai-context",
    ["MESH_AI_CONTEXT"],
    "Tokens of prompt and answer together that one request may have, up to what the model was " +
      "trained for.",
  ),
  "ai.sequences": key(
    whole(1, 64),
    "4",
    "ai-sequences",
    ["MESH_AI_SEQUENCES"],
    "Requests that one model answers at a time, each with a cache of its own; others wait.",
  ),
  "ai.idleUnload": key(
    duration,
    "10m",
    "ai-idle-unload",
    ["MESH_AI_IDLE_UNLOAD"],
    "A model that nobody asked for so long is unloaded.",
  ),
  "ai.modelCache": key(
    size,
    "64GiB",
    "ai-model-cache",
    ["MESH_AI_MODEL_CACHE"],
    "Local copies of models, all together: the one used longest ago goes first, never one in use.",
  ),
  "ai.tensorHost": key(
    host,
    "0.0.0.0",
    "ai-tensor-host",
    ["MESH_AI_TENSOR_HOST"],
    "Address where the engines of a split model reach each other (mutual TLS, own nodes alone).",
  ),
  "ai.tensorPort": key(
    whole(0, 65_535),
    "0",
    "ai-tensor-port",
    ["MESH_AI_TENSOR_PORT"],
    "First port for that, counted up for each further model; 0 lets the system choose.",
  ),
} as const;

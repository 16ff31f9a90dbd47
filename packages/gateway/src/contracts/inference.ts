/** What the models of this node do, and how a request would be placed. */
import { z } from "zod";

const Placement = z.enum(["R", "T", "P"]).describe("R: one member; T: split; P: pipeline");

const WorkerStats = z.lazy(() =>
  z.object({
    epoch: z.number().int(),
    tokensGenerated: z.number().int(),
    promptTokens: z.number().int(),
    exchanges: z.number().int(),
    exchangeMs: z.number(),
    exchangeMsP50: z.number(),
    exchangeMsP99: z.number(),
    computeMs: z.number(),
    bytesSent: z.number(),
    bytesReceived: z.number(),
    connectionsOpen: z.number().int(),
    replays: z.number().int(),
    engine: z.object({
      description: z.string(),
      threads: z.number().int(),
      weightBytes: z.number(),
      cacheBytes: z.number(),
      scratchBytes: z.number(),
    }),
  }),
);

export const InferenceStatsResponse = z
  .lazy(() =>
    z.object({
      jobsCompleted: z.number().int(),
      jobsFailed: z.number().int(),
      jobsRunning: z.number().int(),
      jobsWaiting: z.number().int(),
      tokensGenerated: z.number().int(),
      promptTokens: z.number().int(),
      tokensPerSecond: z.number().exactOptional().describe("Decoding alone; of finished jobs"),
      models: z.array(
        z.object({
          model: z.string(),
          placement: Placement,
          members: z.array(z.string()),
          worker: WorkerStats,
        }),
      ),
    }),
  )
  .meta({ id: "InferenceStats" });
export type InferenceStatsResponse = z.infer<typeof InferenceStatsResponse>;

const PlanRow = z.lazy(() =>
  z.object({
    placement: Placement,
    nodeIds: z.array(z.string()),
    names: z.array(z.string()),
    tokensPerSecond: z.number().exactOptional().describe("Missing when it cannot be done"),
    memoryBytesPerMember: z.array(z.number()),
    reason: z.string(),
  }),
);

export const InferencePlanResponse = z
  .lazy(() =>
    z.object({
      model: z.string(),
      chosen: PlanRow.exactOptional(),
      rows: z.array(PlanRow),
      leftOut: z.array(z.object({ name: z.string(), reason: z.string() })),
      measured: z.array(
        z.object({
          name: z.string(),
          bandwidthBytesPerSecond: z.number(),
          memoryBytes: z.number(),
          roundTripMs: z.number().exactOptional(),
          ageMs: z.number().describe("Since its bandwidth was measured"),
        }),
      ),
      missingBytes: z
        .number()
        .nullable()
        .describe(
          "Memory that is missing over all members when nothing was chosen for that reason",
        ),
      text: z.array(z.string()).describe("Why, in sentences with numbers"),
    }),
  )
  .meta({ id: "InferencePlan" });
export type InferencePlanResponse = z.infer<typeof InferencePlanResponse>;

export const InferencePlanQuery = z.lazy(() =>
  z.object({
    model: z.string().min(1).max(256).exactOptional().describe("Name or id; default: the only"),
    members: z
      .string()
      .min(1)
      .max(4096)
      .exactOptional()
      .describe("Names or ids of the only nodes to be used, with commas between"),
    placement: z.enum(["R", "T"]).exactOptional().describe("Only whole, or only split"),
    contextTokens: z.coerce.number().int().min(16).max(1_048_576).exactOptional(),
  }),
);

/** Of the form `Endpoint`. */
export const INFERENCE_ENDPOINTS = {
  inferenceStats: {
    method: "GET",
    path: "/api/inference/stats",
    tag: "ai",
    summary: "Jobs, tokens and exchanges of this node's models",
    response: InferenceStatsResponse,
  },
  inferencePlan: {
    method: "GET",
    path: "/api/inference/plan",
    tag: "ai",
    summary: "How a request would be placed, and why",
    query: InferencePlanQuery,
    response: InferencePlanResponse,
  },
} as const;

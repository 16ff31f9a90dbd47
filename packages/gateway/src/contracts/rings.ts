/** The rings that models run in, and how fast machines, links and rings really are. */
import { z } from "zod";
import type { Endpoint } from "./endpoint.js";

const Placement = z.enum(["R", "T", "P"]).describe("R: one member; T: split; P: pipeline");
const Span = z.lazy(() => z.object({ from: z.number().int(), to: z.number().int() }));

export const RingsResponse = z
  .lazy(() =>
    z.object({
      unavailable: z.string().nullable().describe("Why this node runs no models itself"),
      led: z.array(
        z.object({
          model: z.string(),
          modelId: z.string(),
          ringId: z.string(),
          epoch: z.number().int(),
          state: z.string().describe("preparing, joining or ready"),
          placement: Placement,
          running: z.number().int().describe("Requests that run or wait"),
          members: z.array(
            z.object({
              nodeId: z.string(),
              name: z.string(),
              columns: Span.describe("Half open, of 8,192"),
              memoryBytes: z.number(),
            }),
          ),
        }),
      ),
      held: z
        .array(
          z.object({
            ringId: z.string(),
            modelId: z.string(),
            epoch: z.number().int(),
            leader: z.string().describe("Name of the node that leads"),
            memoryBytes: z.number(),
            state: z.string(),
            pulledBytes: z.number().nullable(),
            wantedBytes: z.number().nullable(),
          }),
        )
        .describe("Shards on this node, for its own rings and those of others"),
    }),
  )
  .meta({ id: "Rings" });
export type RingsResponse = z.infer<typeof RingsResponse>;

export const EngineBenchRequest = z.lazy(() =>
  z.object({
    threads: z.number().int().min(1).max(256).exactOptional().describe("Default: as configured"),
  }),
);
export type EngineBenchRequest = z.infer<typeof EngineBenchRequest>;

export const EngineBenchResponse = z
  .lazy(() =>
    z.object({
      engine: z.string(),
      threads: z.number().int(),
      bytesPerSecond: z.number().describe("Weights that it reads and multiplies"),
    }),
  )
  .meta({ id: "EngineBench" });
export type EngineBenchResponse = z.infer<typeof EngineBenchResponse>;

export const LinkBenchRequest = z.lazy(() =>
  z.object({
    node: z.string().min(1).max(128).describe("Name or id of a member of the pool"),
  }),
);
export type LinkBenchRequest = z.infer<typeof LinkBenchRequest>;

export const LinkBenchResponse = z
  .lazy(() =>
    z.object({
      node: z.string(),
      relayed: z.boolean(),
      rounds: z.number().int(),
      roundTripMsLeast: z.number(),
      roundTripMsP50: z.number(),
      bytesPerSecond: z.number().describe("From here to there"),
      sentBytes: z.number(),
    }),
  )
  .meta({ id: "LinkBench" });
export type LinkBenchResponse = z.infer<typeof LinkBenchResponse>;

export const RingBenchRequest = z.lazy(() =>
  z.object({
    model: z.string().min(1).max(256).exactOptional(),
    tokens: z.number().int().min(2).max(1024).exactOptional().describe("Default: 64"),
  }),
);
export type RingBenchRequest = z.infer<typeof RingBenchRequest>;

export const RingBenchResponse = z
  .lazy(() =>
    z.object({
      rows: z.array(
        z.object({
          placement: Placement,
          names: z.array(z.string()),
          failure: z.string().nullable(),
          predictedTokensPerSecond: z.number().nullable(),
          tokensPerSecond: z.number().nullable(),
          completionTokens: z.number().int(),
          computeMs: z.number().nullable().describe("Of decoding, all tokens together"),
          exchangeMs: z.number().nullable().describe("The same: waiting for the others"),
          exchangeMsP50: z.number().nullable(),
          exchangeMsP99: z.number().nullable(),
        }),
      ),
    }),
  )
  .meta({ id: "RingBench" });
export type RingBenchResponse = z.infer<typeof RingBenchResponse>;

export const RING_ENDPOINTS = {
  rings: {
    method: "GET",
    path: "/api/inference/rings",
    tag: "ai",
    summary: "Models that this node leads, and shards that it holds",
    response: RingsResponse,
  },
  benchEngine: {
    method: "POST",
    path: "/api/inference/bench/engine",
    tag: "ai",
    summary: "Measure the engine of this machine",
    body: EngineBenchRequest,
    response: EngineBenchResponse,
  },
  benchLink: {
    method: "POST",
    path: "/api/inference/bench/link",
    tag: "ai",
    summary: "Measure the link to a member of the pool",
    body: LinkBenchRequest,
    response: LinkBenchResponse,
  },
  benchRing: {
    method: "POST",
    path: "/api/inference/bench/ring",
    tag: "ai",
    summary: "Answer a fixed prompt whole and split, and measure both",
    body: RingBenchRequest,
    response: RingBenchResponse,
  },
} as const satisfies Record<string, Endpoint>;

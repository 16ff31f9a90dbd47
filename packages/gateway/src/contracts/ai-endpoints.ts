/** Whole-request members: servers that already run and take requests to models as a whole. */
import { z } from "zod";

export const AiEndpointKind = z.enum(["ollama", "llamacpp", "vllm", "openai"]);
export type AiEndpointKind = z.infer<typeof AiEndpointKind>;

export const AiEndpointView = z
  .lazy(() =>
    z.object({
      name: z.string(),
      node: z.string().describe("Name of the node that reaches it"),
      nodeId: z.string(),
      kind: AiEndpointKind,
      health: z.enum(["ok", "failing", "unknown"]),
      reason: z.string().exactOptional().describe("Why it is not `ok`"),
      models: z.array(z.string()),
      requests: z.number().int().describe("Under way, from all nodes"),
      requestsAtOnce: z.number().int(),
      costMs: z.number().nullable().describe("Round trip to the node; null when no way is known"),
      local: z.boolean().describe("Of the node that answers"),
      url: z.string().exactOptional().describe("For endpoints of this node"),
      hasKey: z.boolean().exactOptional().describe("For endpoints of this node"),
    }),
  )
  .meta({ id: "AiEndpoint" });
export type AiEndpointView = z.infer<typeof AiEndpointView>;

export const AiEndpointsResponse = z.lazy(() => z.object({ endpoints: z.array(AiEndpointView) }));
export type AiEndpointsResponse = z.infer<typeof AiEndpointsResponse>;

export const AiEndpointAddRequest = z.lazy(() =>
  z
    .object({
      name: z.string().min(1).max(63).describe("a-z, 0-9 and `-`"),
      url: z.string().min(1).max(1024).describe("`http://127.0.0.1:11434`"),
      kind: AiEndpointKind.default("openai"),
      models: z.array(z.string().min(1).max(256)).max(256).default([]).describe("Only these"),
      keyFile: z.string().min(1).max(4096).exactOptional().describe("On that node, mode 0600"),
      requestsAtOnce: z.number().int().min(1).max(256).exactOptional(),
    })
    .strict(),
);
/** What a caller sends: only `name` and `url` have no default. */
export type AiEndpointAddRequest = z.input<typeof AiEndpointAddRequest>;

export const AiEndpointResponse = z.lazy(() => z.object({ endpoint: AiEndpointView }));
export type AiEndpointResponse = z.infer<typeof AiEndpointResponse>;

export const AiEndpointParams = z.lazy(() => z.object({ endpoint: z.string().min(1).max(63) }));

export const AiEndpointRemoveResponse = z.lazy(() => z.object({ name: z.string() }));
export type AiEndpointRemoveResponse = z.infer<typeof AiEndpointRemoveResponse>;

/** Of the form `Endpoint`. */
export const AI_ENDPOINT_ENDPOINTS = {
  aiEndpoints: {
    method: "GET",
    path: "/api/endpoints",
    tag: "ai",
    summary: "Whole-request members of all nodes",
    response: AiEndpointsResponse,
  },
  addAiEndpoint: {
    method: "POST",
    path: "/api/endpoints",
    tag: "ai",
    summary: "Let a server that this node reaches take requests to its models",
    successStatus: 201,
    body: AiEndpointAddRequest,
    response: AiEndpointResponse,
  },
  removeAiEndpoint: {
    method: "DELETE",
    path: "/api/endpoints/:endpoint",
    tag: "ai",
    summary: "Take a server of this node out of the mesh",
    params: AiEndpointParams,
    response: AiEndpointRemoveResponse,
  },
} as const;

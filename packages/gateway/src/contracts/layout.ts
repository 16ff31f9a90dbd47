/** Changes of the layout, and drains. For operators. */
import { z } from "zod";
import type { Endpoint } from "./endpoint.js";
import { LayoutResponse, NodeParams, NodeView } from "./status.js";

const NodeText = z.string().min(1).max(128).describe("Name or node id");
const Replicas = z.number().int().min(1).max(16);

export const LayoutAmount = z.lazy(() => z.object({ chunks: z.number().int(), bytes: z.number() }));

/** In a sample the amounts are estimates for all chunks. */
export const LayoutPreview = z
  .lazy(() =>
    z.object({
      total: LayoutAmount.describe("Different chunks that files refer to"),
      isExact: z.boolean().describe("False: from a fair sample of all chunks"),
      chunksLookedAt: z.number().int(),
      moves: LayoutAmount.describe("Copies that are made"),
      nodes: z.array(
        z.object({
          nodeId: z.string(),
          name: z.string(),
          capacityBeforeBytes: z.number(),
          capacityAfterBytes: z.number(),
          before: LayoutAmount,
          after: LayoutAmount,
          gains: LayoutAmount,
          loses: LayoutAmount,
          freeBytes: z
            .number()
            .nullable()
            .describe("As reported; null until the node has reported"),
          freeAfterBytes: z.number().nullable().describe("When all has moved"),
        }),
      ),
      flows: z.array(
        LayoutAmount.unwrap().extend({
          from: z.string().describe("Name of the node whose place is taken, or that keeps a copy"),
          to: z.string(),
        }),
      ),
      warnings: z.array(
        z.object({
          code: z.string(),
          message: z.string(),
          grave: z.boolean().describe("Refused unless `force` is set"),
        }),
      ),
    }),
  )
  .meta({ id: "LayoutPreview" });
export type LayoutPreview = z.infer<typeof LayoutPreview>;

export const LayoutNodeChange = z.lazy(() =>
  z.object({
    node: z.string().describe("Name"),
    nodeId: z.string(),
    action: z.enum(["add", "remove", "change"]),
    capacityBytes: z.number().exactOptional(),
    site: z.string().exactOptional(),
  }),
);
export type LayoutNodeChange = z.infer<typeof LayoutNodeChange>;

export const LayoutChangesResponse = z
  .lazy(() =>
    z.object({
      layout: LayoutResponse.describe("The one that holds now"),
      acks: z.number().int().describe("Copies that a write waits for"),
      autoJoin: z.boolean().describe("New storage nodes become part of the layout by themselves"),
      staged: z
        .object({
          version: z.number().int().describe("Number under which they can be applied"),
          replicas: z.number().int().exactOptional(),
          acks: z.number().int().exactOptional(),
          nodes: z.array(LayoutNodeChange),
        })
        .nullable()
        .describe("null when nothing is staged"),
      preview: LayoutPreview.nullable().describe("What applying the staged changes moves"),
    }),
  )
  .meta({ id: "LayoutChanges" });
export type LayoutChangesResponse = z.infer<typeof LayoutChangesResponse>;

export const LayoutStageRequest = z.lazy(() =>
  z.object({
    replicas: Replicas.exactOptional(),
    acks: Replicas.exactOptional(),
    nodes: z
      .array(
        z.object({
          node: NodeText,
          action: z.enum(["add", "remove", "change"]),
          capacityBytes: z
            .number()
            .int()
            .min(0)
            .nullable()
            .exactOptional()
            .describe("Weight in placement; null is what the node reports"),
          site: z
            .string()
            .regex(/^[^\p{Cc}/]{1,64}$/u)
            .nullable()
            .exactOptional()
            .describe("Place; null is what the node says"),
        }),
      )
      .max(1024)
      .default([]),
  }),
);
export type LayoutStageRequest = z.input<typeof LayoutStageRequest>;

export const LayoutApplyRequest = z.lazy(() =>
  z.object({
    version: z.number().int().min(1).describe("Of the staged changes, as they were shown"),
    force: z.boolean().default(false).describe("In spite of grave warnings"),
  }),
);
export type LayoutApplyRequest = z.input<typeof LayoutApplyRequest>;

export const NodeDrainRequest = z.lazy(() =>
  z.object({
    force: z.boolean().default(false).describe("Though there is no room, or copies become fewer"),
  }),
);
export type NodeDrainRequest = z.input<typeof NodeDrainRequest>;

export const NodeDrainResponse = z.lazy(() =>
  z.object({
    node: NodeView,
    layoutVersion: z.number().int(),
    preview: LayoutPreview.nullable().describe("What moves; null when it drained already"),
  }),
);
export type NodeDrainResponse = z.infer<typeof NodeDrainResponse>;

export const LAYOUT_ENDPOINTS = {
  layoutChanges: {
    method: "GET",
    path: "/api/layout/changes",
    tag: "mesh",
    summary: "The layout, what is staged, and what applying it moves",
    response: LayoutChangesResponse,
  },
  stageLayout: {
    method: "POST",
    path: "/api/layout/changes",
    tag: "mesh",
    summary: "Stage changes of the layout",
    body: LayoutStageRequest,
    response: LayoutChangesResponse,
  },
  revertLayout: {
    method: "DELETE",
    path: "/api/layout/changes",
    tag: "mesh",
    summary: "Forget what is staged",
    response: LayoutChangesResponse,
  },
  applyLayout: {
    method: "POST",
    path: "/api/layout/apply",
    tag: "mesh",
    summary: "Make the staged changes the layout",
    body: LayoutApplyRequest,
    response: LayoutChangesResponse,
  },
  drainNode: {
    method: "POST",
    path: "/api/nodes/:node/drain",
    tag: "mesh",
    summary: "Give a node nothing new, and move what it has to the others",
    params: NodeParams,
    body: NodeDrainRequest,
    response: NodeDrainResponse,
  },
  undrainNode: {
    method: "POST",
    path: "/api/nodes/:node/undrain",
    tag: "mesh",
    summary: "Take a drain back",
    params: NodeParams,
    response: NodeDrainResponse,
  },
} as const satisfies Record<string, Endpoint>;

/** The events of a node, as `EventSource` reads them. */
import { z } from "zod";
import type { Endpoint } from "./endpoint.js";
import { IncidentSummary } from "./healing.js";

/**
 * What is in the `data:` line of an event, by its name in the `event:` line. `ready` comes first on
 * every stream, `missed` when events of the time since `Last-Event-ID` are no longer there.
 */
export const NODE_EVENTS = {
  ready: z.object({ nodeName: z.string() }),
  missed: z.object({ reason: z.string() }),
  incident: z.object({
    incident: IncidentSummary,
    newest: z
      .object({ step: z.string(), text: z.string(), remedy: z.string().exactOptional() })
      .nullable()
      .describe("Newest entry of its timeline"),
  }),
  healing: z.object({ mode: z.enum(["acting", "dry-run", "paused"]) }),
  peer: z.object({
    nodeId: z.string(),
    name: z.string(),
    state: z.enum(["alive", "suspect", "dead", "left"]),
    before: z.enum(["alive", "suspect", "dead", "left"]).nullable().describe("null: a new one"),
  }),
} as const;
export type NodeEventName = keyof typeof NODE_EVENTS;
export type NodeEventData<Name extends NodeEventName> = z.infer<(typeof NODE_EVENTS)[Name]>;

/** Of the form `Endpoint`. The answer is `text/event-stream`, without an end. */
export const EVENT_ENDPOINTS = {
  events: {
    method: "GET",
    path: "/events",
    tag: "mesh",
    summary: "What happens, as an event stream: incidents, healing, nodes that come and go",
  },
} as const satisfies Record<string, Endpoint>;

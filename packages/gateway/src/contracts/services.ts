/** Services of the mesh: what runs where. */
import { limits } from "@hearthmesh/core";
import { z } from "zod";

export const ServiceProtocol = z.enum(["http", "tcp"]);
export type ServiceProtocol = z.infer<typeof ServiceProtocol>;

export const ServiceHealth = z.enum(["ok", "failing", "unknown"]);
export type ServiceHealth = z.infer<typeof ServiceHealth>;

/** A service of any node of the mesh, as its node announces it. */
export const ServiceView = z
  .lazy(() =>
    z.object({
      name: z.string(),
      node: z.string().describe("Name of the node where it runs"),
      nodeId: z.string(),
      capabilities: z.array(z.string()),
      protocol: ServiceProtocol,
      health: ServiceHealth,
      reason: z.string().exactOptional().describe("Why it is not `ok`; for services of this node"),
      load: z.number().int().describe("Requests and connections under way"),
      costMs: z.number().nullable().describe("Round trip to the node; null when no way is known"),
      local: z.boolean().describe("Runs on the node that answers"),
      address: z.string().exactOptional().describe("`host:port`; for services of this node"),
    }),
  )
  .meta({ id: "Service" });
export type ServiceView = z.infer<typeof ServiceView>;

export const ServicesResponse = z.lazy(() => z.object({ services: z.array(ServiceView) }));
export type ServicesResponse = z.infer<typeof ServicesResponse>;

const ServiceHealthCheck = z.lazy(() =>
  z
    .object({
      kind: z.enum(["tcp", "http"]).exactOptional().describe("`http` when a path is given"),
      path: z.string().max(1024).exactOptional(),
      intervalMs: z.number().int().exactOptional().describe("Default 5000"),
      timeoutMs: z.number().int().exactOptional().describe("Default 2000"),
    })
    .strict(),
);

export const ServiceAddRequest = z.lazy(() =>
  z
    .object({
      name: z.string().min(1).max(63).describe("Lower case, such as `ollama`"),
      host: z.string().min(1).max(253).default("127.0.0.1"),
      port: z.number().int().min(1).max(65_535),
      protocol: ServiceProtocol.default("http"),
      capabilities: z
        .array(z.string().min(1).max(limits.CAPABILITY_BYTES_MAX))
        .max(limits.CAPABILITIES_MAX)
        .default([]),
      health: ServiceHealthCheck.exactOptional(),
    })
    .strict(),
);
/** What a caller sends: only `name` and `port` have no default. */
export type ServiceAddRequest = z.input<typeof ServiceAddRequest>;

export const ServiceResponse = z.lazy(() => z.object({ service: ServiceView }));
export type ServiceResponse = z.infer<typeof ServiceResponse>;

export const ServiceParams = z.lazy(() => z.object({ service: z.string().min(1).max(63) }));
export type ServiceParams = z.infer<typeof ServiceParams>;

export const ServiceRemoveResponse = z.lazy(() => z.object({ name: z.string() }));
export type ServiceRemoveResponse = z.infer<typeof ServiceRemoveResponse>;

/** Of the form `Endpoint`. */
export const SERVICE_ENDPOINTS = {
  services: {
    method: "GET",
    path: "/api/mesh/services",
    tag: "mesh",
    summary: "Services of all nodes of the mesh",
    response: ServicesResponse,
  },
  addService: {
    method: "POST",
    path: "/api/mesh/services",
    tag: "mesh",
    summary: "Offer a program of this node to the mesh",
    successStatus: 201,
    body: ServiceAddRequest,
    response: ServiceResponse,
  },
  removeService: {
    method: "DELETE",
    path: "/api/mesh/services/:service",
    tag: "mesh",
    summary: "Take a service of this node out of the mesh",
    params: ServiceParams,
    response: ServiceRemoveResponse,
  },
} as const;

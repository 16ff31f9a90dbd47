/** The coordinators of a member, for clients that go on with another when one is lost. */
import { z } from "zod";
import type { Endpoint } from "./endpoint.js";

const Addresses = z.array(z.string());

export const CoordinatorView = z
  .lazy(() =>
    z.object({
      nodeId: z.string(),
      name: z.string(),
      isLeader: z.boolean().describe("It leads now, as the coordinator that answers believes"),
      apiAddresses: Addresses.describe("Of the API under mutual TLS: `host:port`, best first"),
      linkAddresses: Addresses.describe("Of its links: `host:port`, best first"),
      enrolmentAddresses: Addresses.describe("Where invites are redeemed: `host:port`, best first"),
    }),
  )
  .meta({ id: "Coordinator" });
export type CoordinatorView = z.infer<typeof CoordinatorView>;

/** Every coordinator has the member's CA key and the same store; one of them leads. */
export const CoordinatorsResponse = z
  .lazy(() => z.object({ coordinators: z.array(CoordinatorView) }))
  .meta({ id: "Coordinators" });
export type CoordinatorsResponse = z.infer<typeof CoordinatorsResponse>;

export const COORDINATOR_ENDPOINTS = {
  coordinators: {
    method: "GET",
    path: "/api/coordinators",
    tag: "mesh",
    summary: "The coordinators of this member, and which of them leads",
    response: CoordinatorsResponse,
  },
} as const satisfies Record<string, Endpoint>;

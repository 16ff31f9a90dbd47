/** Where the coordinators of this member are. */
import { formatEndpoint } from "@hearthmesh/identity";
import { type CoordinatorView, ENDPOINTS } from "../contracts/index.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";

export function coordinatorRoutes(services: GatewayServices): Route[] {
  return [
    defineRoute(ENDPOINTS.coordinators, "enrolled", async () => {
      const coordinators = (await services.coordinators?.()) ?? [onlyCoordinator(services)];
      return { coordinators: [...coordinators] };
    }),
  ];
}

function onlyCoordinator(services: GatewayServices): CoordinatorView {
  const { coordinatorContact: contact, operator } = services;
  return {
    nodeId: contact.nodeId,
    name: operator.name,
    isLeader: true,
    apiAddresses: [...contact.apiAddresses()],
    linkAddresses: [...contact.linkAddresses()],
    enrolmentAddresses: services.enrolmentEndpoints().map(formatEndpoint),
  };
}

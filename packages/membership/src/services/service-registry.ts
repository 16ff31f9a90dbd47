/** The services that an operator has put on this node. */
import { isIP } from "node:net";
import { type Logger, limits, MeshError } from "@hearthmesh/core";
import { type NamedRecordStorage, NamedRecords } from "./named-records.js";
import { parseService, type ServiceDefinition, type ServiceInput } from "./service-definition.js";

export type ServiceStorage = NamedRecordStorage<ServiceDefinition>;

export interface ServiceRegistryOptions {
  readonly storage: ServiceStorage;
  /** Ports of the node itself, on all its doors: a node does not proxy to itself. */
  ownPorts(): readonly number[];
  /** Addresses of this machine beside loopback. */
  ownAddresses?(): readonly string[];
  readonly log: Logger;
}

export class ServiceRegistry extends NamedRecords<ServiceDefinition, ServiceInput> {
  constructor(options: ServiceRegistryOptions) {
    const { storage, log } = options;
    super({
      ...{ storage, log, recordsMax: limits.SERVICES_PER_NODE_MAX },
      check: (input) => notOwnPort(parseService(input), options),
      words: { one: "service", many: "services", command: "mesh service" },
    });
  }
}

function notOwnPort(service: ServiceDefinition, options: ServiceRegistryOptions) {
  const { host, port } = service;
  const own = options.ownAddresses?.() ?? [];
  const isHere = isThisMachine(host) || own.includes(host);
  if (!isHere || !options.ownPorts().includes(port)) return service;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `port ${port} is this node's own: requests would go in a circle`,
    hint: "Name the port of the program that should be reached.",
  });
}

function isThisMachine(host: string): boolean {
  if (isIP(host) === 0) return host === "localhost" || host.endsWith(".localhost");
  return /^(?:::ffff:)?127\.|^::1$|^(?:0+:){7}0*1$/i.test(host);
}

/** The endpoints that an operator has put on this node. */
import { type Logger, MeshError } from "@hearthmesh/core";
import { type NamedRecordStorage, NamedRecords } from "@hearthmesh/membership";
import { isThisMachine, parseEndpoint } from "./endpoint-record.js";
import type { EndpointInput, EndpointRecord } from "./endpoint-service.js";
import { ENDPOINTS_PER_NODE_MAX } from "./limits.js";

export type EndpointStorage = NamedRecordStorage<EndpointRecord>;

export interface EndpointRegistryOptions {
  readonly storage: EndpointStorage;
  /** Ports of the node itself: a node does not ask itself in a circle. */
  ownPorts(): readonly number[];
  readonly log: Logger;
}

export class EndpointRegistry extends NamedRecords<EndpointRecord, EndpointInput> {
  constructor(options: EndpointRegistryOptions) {
    const { storage, log } = options;
    super({
      ...{ storage, log, recordsMax: ENDPOINTS_PER_NODE_MAX },
      check: (input) => notOwnPort(parseEndpoint(input), options.ownPorts()),
      words: { one: "endpoint", many: "endpoints", command: "mesh endpoint" },
    });
  }
}

function notOwnPort(endpoint: EndpointRecord, ownPorts: readonly number[]): EndpointRecord {
  const url = new URL(endpoint.url);
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  if (!isThisMachine(url) || !ownPorts.includes(port)) return endpoint;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `port ${port} is this node's own: requests would go in a circle`,
    hint: "Name the address of the server that runs the models.",
  });
}

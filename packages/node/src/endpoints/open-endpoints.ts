/** Whole-request members with the parts of this node: its home, its links, who else is there. */
import { join } from "node:path";
import { readPrivate } from "@hearthmesh/client/private-files";
import { isMeshError, MeshError } from "@hearthmesh/core";
import { type EndpointNode, MeshEndpoints } from "@hearthmesh/pool/endpoints";
import { aiLinks } from "../ai/ai-links.js";
import type { Config } from "../config/config.js";
import type { NodeRecord } from "../home.js";
import type { MeshPart } from "../mesh/mesh-part.js";
import type { MethodPart } from "../method-router.js";
import { operatorList } from "../operator-list.js";
import type { Tools } from "../tools.js";

export interface NodeEndpoints {
  /** To be started after the mesh. */
  readonly service: MeshEndpoints;
  readonly methods: MethodPart;
}

const KEY_CHARACTERS_MAX = 4_096;

export function openEndpoints(
  options: Tools & { config: Config; record: NodeRecord; mesh: MeshPart },
): NodeEndpoints {
  const { config, record, mesh, clock, random, log } = options;
  const service = new MeshEndpoints({
    self: { nodeId: record.nodeId, name: record.name },
    storage: operatorList(join(config.home, "ai", "endpoints.json"), {
      noun: "endpoints",
      command: "mesh endpoint add",
    }),
    readKey: readEndpointKey,
    ownPorts: () => {
      const { http, api, links, enrolment, metrics } = config;
      return [http, api, links, enrolment, metrics].map(({ port }) => port);
    },
    nodes: () => otherNodes(mesh),
    links: aiLinks(() => mesh.parts.links),
    clock,
    random,
    log,
  });
  const methods = {
    prefixes: ["endpoint."],
    callers: "machines" as const,
    handlers: service.handlers,
  };
  return { service, methods };
}

/** One line of printable ASCII: it goes into a header. No message repeats what is in the file. */
async function readEndpointKey(path: string): Promise<string> {
  const text = await readPrivate(path).catch((error: unknown) => {
    if (isMeshError(error)) throw error;
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `the key's file ${path} cannot be read`,
      cause: error,
    });
  });
  const key = text.trim();
  if (/^[\x21-\x7e]+$/.test(key) && key.length <= KEY_CHARACTERS_MAX) return key;
  throw new MeshError("MESH_BAD_REQUEST", { message: `${path} does not hold one line with a key` });
}

function otherNodes({ parts }: MeshPart): EndpointNode[] {
  const { swim, routes } = parts;
  return swim
    .peers()
    .filter(({ state }) => state === "alive" || state === "suspect")
    .map(({ nodeId, name }) => ({ nodeId, name, costMs: routes.costMsTo(nodeId) }));
}

/**
 * `model.*` on the links of a coordinator: what lies below `/models`, to be read by the nodes of
 * this member. They have no grants on files, and get none: the three methods that look at files are
 * served as by the operator, below this one directory, and nothing that writes is.
 *
 * A ticket for chunks goes out to the node itself: another one cannot use it.
 */
import type { CoordinatorPort } from "@hearthmesh/collective";
import { coordinatorOverLink } from "@hearthmesh/collective/client";
import { decodeMessage, encodeMessage, MeshError, type NodeId } from "@hearthmesh/core";
import type { CoordinatorService } from "@hearthmesh/gateway";
import type { Principal } from "@hearthmesh/identity";
import type { Link } from "@hearthmesh/qwormhole";
import type { MethodPart } from "../method-router.js";
import { checkModelPath } from "./model-paths.js";

const PREFIX = "model.";
/** As `file.*` has them. */
const METHODS: readonly string[] = ["stat", "list", "open"];

export interface ModelMethodsOptions {
  readonly coordinator: Pick<CoordinatorService, "call">;
  readonly operator: () => Principal;
}

export function modelMethods({ coordinator, operator }: ModelMethodsOptions): MethodPart {
  return {
    prefixes: [PREFIX],
    callers: "machines",
    handlers: {
      onRequest: async ({ method, body, peer }) => {
        const name = method.slice(PREFIX.length);
        if (!METHODS.includes(name)) {
          const message = `a node may not call ${method.slice(0, 64)}`;
          throw new MeshError("MESH_FORBIDDEN", { message });
        }
        const { header } = decodeMessage<Readonly<Record<string, unknown>>>(body);
        checkModelPath(header.path);
        const holder = peer.nodeId as NodeId;
        const answer = await coordinator.call(
          operator(),
          `file.${name}`,
          header,
          new Uint8Array(0),
          { holder },
        );
        return encodeMessage(answer.header, answer.body);
      },
    },
  };
}

/** For a `FileClient` that reads below `/models` from a node without the coordinator. */
export function modelsOverLink(linkTo: (signal?: AbortSignal) => Promise<Link>): CoordinatorPort {
  const port = coordinatorOverLink(linkTo);
  return {
    call(method, header, body, options) {
      const name = method.startsWith("file.") ? method.slice("file.".length) : method;
      return port.call(`${PREFIX}${name}`, header, body, options);
    },
  };
}

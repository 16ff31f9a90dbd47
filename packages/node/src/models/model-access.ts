/** The models of the member, as the coordinator's own node uses them and as it serves them. */
import type { CoordinatorPort, NodeLinks } from "@hearthmesh/collective";
import type { NodeId } from "@hearthmesh/core";
import type { Link } from "@hearthmesh/qwormhole";
import type { MethodPart } from "../method-router.js";
import { type ModelMethodsOptions, modelMethods, modelsOverLink } from "./model-methods.js";

export interface MemberModelsOptions extends ModelMethodsOptions {
  readonly nodeId: NodeId;
  readonly links: NodeLinks;
}

export interface ModelAccess {
  readonly coordinator: CoordinatorPort;
  readonly mayWrite: boolean;
  readonly links: NodeLinks;
  /** What a coordinator serves to the nodes without one. */
  readonly methods: MethodPart | undefined;
}

export function modelsOfMember(options: MemberModelsOptions): ModelAccess {
  const { nodeId, links, coordinator, operator } = options;
  return {
    coordinator: {
      call: (method, header, body) =>
        coordinator.call(operator(), method, header, body, { holder: nodeId }),
    },
    mayWrite: true,
    links,
    methods: modelMethods(options),
  };
}

/** For a node without a coordinator: `linkTo` gives the link to one. */
export function readableModels(
  linkTo: (signal: AbortSignal) => Promise<Link>,
  links: NodeLinks,
): ModelAccess {
  const coordinator = modelsOverLink((signal) => linkTo(signal ?? new AbortController().signal));
  return { coordinator, mayWrite: false, links, methods: undefined };
}

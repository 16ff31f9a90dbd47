/** Changes of the layout, and drains. */
import type { DrainAnswer, LayoutOverview, LayoutPreview } from "@hearthmesh/collective";
import type { NodeId } from "@hearthmesh/core";
import {
  LAYOUT_ENDPOINTS,
  type LayoutChangesResponse,
  type LayoutNodeChange,
  type NodeDrainResponse,
  type LayoutPreview as PreviewView,
} from "../contracts/layout.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";
import { layoutView, nodeView } from "./views.js";

export function layoutRoutes(services: GatewayServices): Route[] {
  const ask = <Answer>(method: string, header: object = {}) =>
    askOperator<Answer>(services, method, header);
  return [
    defineRoute(LAYOUT_ENDPOINTS.layoutChanges, "operator", async () =>
      overviewView(await ask("layout.show")),
    ),
    defineRoute(LAYOUT_ENDPOINTS.stageLayout, "operator", async ({ body }) =>
      overviewView(await ask("layout.stage", body)),
    ),
    defineRoute(LAYOUT_ENDPOINTS.revertLayout, "operator", async () =>
      overviewView(await ask("layout.revert")),
    ),
    defineRoute(LAYOUT_ENDPOINTS.applyLayout, "operator", async ({ body }) =>
      overviewView(await ask("layout.apply", body)),
    ),
    defineRoute(LAYOUT_ENDPOINTS.drainNode, "operator", async ({ params, body }) =>
      drainView(await ask("layout.drain", { node: params.node, force: body.force })),
    ),
    defineRoute(LAYOUT_ENDPOINTS.undrainNode, "operator", async ({ params }) =>
      drainView(await ask("layout.undrain", { node: params.node })),
    ),
  ];
}

/** A method of the coordinator that only the operator may call. */
export async function askOperator<Answer>(
  { coordinator, operator }: Pick<GatewayServices, "coordinator" | "operator">,
  method: string,
  header: object,
): Promise<Answer> {
  return (await coordinator.call(operator, method, header)).header as Answer;
}

function overviewView(overview: LayoutOverview): LayoutChangesResponse {
  const { layout, acks, autoJoin, staged, preview } = overview;
  return {
    layout: layoutView(layout),
    acks,
    autoJoin,
    staged:
      staged === undefined
        ? null
        : {
            version: staged.version,
            ...(staged.replicas === undefined ? {} : { replicas: staged.replicas }),
            ...(staged.acks === undefined ? {} : { acks: staged.acks }),
            nodes: staged.nodes.map(changeView),
          },
    preview: preview === undefined ? null : previewView(preview),
  };
}

type Patch = NonNullable<LayoutOverview["staged"]>["nodes"][number];

function changeView({ nodeId, name, remove, add, capacity, site }: Patch): LayoutNodeChange {
  const action = remove === true ? "remove" : add === undefined ? "change" : "add";
  const capacityBytes = capacity?.value ?? add?.capacityBytes;
  const place = site?.value ?? add?.zone.site;
  return {
    node: name,
    nodeId,
    action,
    ...(capacityBytes === undefined ? {} : { capacityBytes }),
    ...(place === undefined ? {} : { site: place }),
  };
}

function previewView(preview: LayoutPreview): PreviewView {
  const names = new Map(preview.nodes.map(({ nodeId, name }) => [nodeId, name]));
  const name = (nodeId: NodeId) => names.get(nodeId) ?? nodeId;
  const { total, isExact, chunksLookedAt, moves, nodes, flows, warnings } = preview;
  return {
    ...{ total, isExact, chunksLookedAt, moves },
    nodes: nodes.map((node) => ({
      ...node,
      freeBytes: node.freeBytes ?? null,
      freeAfterBytes: node.freeAfterBytes ?? null,
    })),
    flows: flows.map(({ from, to, ...amount }) => ({ ...amount, from: name(from), to: name(to) })),
    warnings: warnings.map(({ code, message, grave }) => ({ code, message, grave })),
  };
}

function drainView({ node, layoutVersion, preview }: DrainAnswer): NodeDrainResponse {
  return {
    node: nodeView(node),
    layoutVersion,
    preview: preview === undefined ? null : previewView(preview),
  };
}

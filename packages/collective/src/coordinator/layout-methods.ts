/**
 * `layout.*`: the layout, for the operator. Served within the process and between coordinators of
 * one member, and over no other link: see `MethodRouter` of the node.
 */
import { limits } from "@hearthmesh/core";
import type { Fields } from "./fields.js";
import type { LayoutDesk, LayoutWish, NodeWish } from "./layout-desk.js";
import type { LayoutRelief } from "./layout-relief.js";
import type { Call, MethodDefinition, MethodTable } from "./method-table.js";

const NODE_LENGTH_MAX = 128;
const SITE_LENGTH_MAX = 64;
const ACTIONS: readonly NodeWish["action"][] = ["add", "remove", "change"];

export function layoutMethods(desk: LayoutDesk, relief: LayoutRelief): MethodTable {
  return {
    "layout.show": operator(() => desk.overview()),
    "layout.stage": operator(({ fields }) => desk.stage(readWish(fields))),
    "layout.apply": operator(({ fields }) =>
      desk.apply(fields.integer("version"), fields.flag("force")),
    ),
    "layout.revert": operator(() => desk.revert()),
    "layout.drain": operator(({ fields }) => desk.drain(nodeOf(fields), fields.flag("force"))),
    "layout.undrain": operator(({ fields }) => desk.undrain(nodeOf(fields))),
    "layout.ease": operator(({ fields }) =>
      relief.ease(nodeOf(fields), fields.integer("percent") / 100),
    ),
    "layout.quarantine": operator(({ fields }) => relief.quarantine(nodeOf(fields))),
    "layout.release": operator(({ fields }) => relief.release(nodeOf(fields))),
    "layout.removal": operator(({ fields }) => desk.lookBeforeRemoval(nodeOf(fields))),
  };
}

function operator(serve: (call: Call) => Promise<object>): MethodDefinition {
  return { policy: "operator", serve: async (call) => ({ header: await serve(call) }) };
}

function nodeOf(fields: Fields): string {
  return fields.text("node", NODE_LENGTH_MAX);
}

function readWish(fields: Fields): LayoutWish {
  const replicas = fields.optionalInteger("replicas", limits.REPLICAS_MAX);
  const acks = fields.optionalInteger("acks", limits.REPLICAS_MAX);
  return {
    nodes: fields.list("nodes", limits.NODES_MAX, readNode),
    ...(replicas === undefined ? {} : { replicas }),
    ...(acks === undefined ? {} : { acks }),
  };
}

function readNode(fields: Fields): NodeWish {
  const action = ACTIONS.find((one) => one === fields.raw("action"));
  if (action === undefined) throw fields.bad("action");
  const isNull = (name: string) => fields.raw(name) === null;
  const capacityBytes = isNull("capacityBytes") ? null : fields.optionalInteger("capacityBytes");
  const site = isNull("site") ? null : fields.optionalText("site", SITE_LENGTH_MAX);
  return {
    node: nodeOf(fields),
    action,
    ...(capacityBytes === undefined ? {} : { capacityBytes }),
    ...(site === undefined ? {} : { site }),
  };
}

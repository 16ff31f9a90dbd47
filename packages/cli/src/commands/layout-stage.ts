import { parseSizeBytes } from "@hearthmesh/core";
import type { LayoutStageRequest } from "@hearthmesh/gateway/contracts";
import { type Cli, printJson } from "../cli.js";
import { collect, MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { usageError } from "../failures.js";
import { printLayout } from "../layout-text.js";

interface Options extends DoorOptions {
  add?: string[];
  remove?: string[];
  capacity?: string[];
  site?: string[];
  replicas?: string;
  acks?: string;
  json?: boolean;
}

type NodeWish = NonNullable<LayoutStageRequest["nodes"]>[number];

export function layoutStageCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("stage")
    .description("write changes of the layout down; nothing moves before they are applied")
    .option("--add <node>", "a storage node joins; may be repeated", collect)
    .option("--remove <node>", "a storage node leaves; may be repeated", collect)
    .option("--capacity <node=size>", "its share, such as attic=500GB; auto: its own word", collect)
    .option("--site <node=place>", "where it is, such as attic=garden; auto: its own word", collect)
    .option("--replicas <number>", "copies of every chunk")
    .option("--acks <number>", "copies on disk before a write is answered")
    .option("--json", "as JSON")
    .withExamples(
      "mesh layout stage --add attic --remove cellar",
      "mesh layout stage --capacity attic=2TB --site attic=garden",
      "mesh layout stage --replicas 2",
    );
  return withDoorOptions(command).action(async (options: Options) => {
    const request = requestOf(options);
    await throughDoor(cli, options, async ({ api }) => {
      const { stageLayout } = await import("@hearthmesh/client");
      const answer = await stageLayout(api, request);
      if (options.json === true) return printJson(cli, answer);
      printLayout(cli, answer);
    });
  });
}

function requestOf(options: Options): LayoutStageRequest {
  const nodes = new Map<string, NodeWish>();
  for (const node of options.remove ?? []) nodes.set(node, { node, action: "remove" });
  for (const node of options.add ?? []) {
    if (nodes.has(node)) throw usageError(`${node} is to be added and removed`);
    nodes.set(node, { node, action: "add" });
  }
  const change = (flag: string, wish: Partial<NodeWish>, node: string) => {
    const known = nodes.get(node) ?? { node, action: "change" };
    if (known.action === "remove") throw usageError(`${flag}: ${node} is to be removed`);
    nodes.set(node, { ...known, ...wish });
  };
  for (const [node, text] of pairsOf("--capacity", options.capacity)) {
    const capacityBytes = text === "auto" ? null : Math.floor(parseSizeBytes(text));
    change("--capacity", { capacityBytes }, node);
  }
  for (const [node, text] of pairsOf("--site", options.site)) {
    change("--site", { site: text === "auto" ? null : text }, node);
  }
  const { replicas, acks } = options;
  if (nodes.size === 0 && replicas === undefined && acks === undefined) {
    throw usageError("nothing to change was named");
  }
  return {
    nodes: [...nodes.values()],
    ...(replicas === undefined ? {} : { replicas: countOf("--replicas", replicas) }),
    ...(acks === undefined ? {} : { acks: countOf("--acks", acks) }),
  };
}

function pairsOf(flag: string, texts: readonly string[] = []): (readonly [string, string])[] {
  return texts.map((text) => {
    const at = text.indexOf("=");
    if (at < 1 || at === text.length - 1) throw usageError(`${flag} is <node>=<value>: ${text}`);
    return [text.slice(0, at), text.slice(at + 1)];
  });
}

function countOf(flag: string, text: string): number {
  if (/^\d{1,3}$/.test(text)) return Number(text);
  throw usageError(`${flag} is a number, not ${JSON.stringify(text)}`);
}

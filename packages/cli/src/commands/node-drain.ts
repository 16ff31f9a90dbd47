import type { ApiClient } from "@hearthmesh/client";
import { MeshError, sleep } from "@hearthmesh/core";
import type { NodeDrainResponse, NodeView } from "@hearthmesh/gateway/contracts";
import { type Cli, note, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { printPreview } from "../layout-text.js";
import { plural, printable } from "../text.js";

const POLL_MS = 1_000;

interface Options extends DoorOptions {
  wait?: boolean;
  force?: boolean;
  json?: boolean;
}

export function nodeDrainCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("drain")
    .description("give a storage node nothing new, and move what it has to the others")
    .argument("<node>", "name or id")
    .option("--wait", "until it has nothing left that a file needs")
    .option("--force", "though there is no room, or copies become fewer")
    .option("--json", "as JSON")
    .withExamples("mesh node drain attic --wait", "mesh node drain attic && mesh status");
  return withDoorOptions(command).action(async (name: string, options: Options) => {
    await throughDoor(cli, options, async ({ api }) => {
      const { drainNode } = await import("@hearthmesh/client");
      const answer = await drainNode(api, name, options.force === true);
      const isJson = options.json === true;
      if (!isJson) tellBegin(cli, answer);
      const node = options.wait === true ? await waitForDrain(cli, api, answer.node) : answer.node;
      if (isJson) return printJson(cli, { ...answer, node });
      if (node.state === "drained") {
        print(cli, `${printable(node.name)} is drained: mesh node remove takes it out for good.`);
      } else {
        print(cli, "mesh status shows how far it is; mesh node undrain takes it back.");
      }
    });
  });
}

function tellBegin(cli: Cli, { node, preview, layoutVersion }: NodeDrainResponse): void {
  print(cli, `${printable(node.name)} drains. Layout ${layoutVersion} holds now.`);
  if (preview !== null) printPreview(cli, preview);
}

/** Its progress goes to standard error, a line for each change. */
async function waitForDrain(cli: Cli, api: ApiClient, begun: NodeView): Promise<NodeView> {
  let told = "";
  for (;;) {
    const { nodes } = await api.nodes();
    const node = nodes.find(({ nodeId }) => nodeId === begun.nodeId);
    if (node === undefined || node.state === "online") {
      throw new MeshError("MESH_LAYOUT_CHANGED", {
        message: `${begun.name} does not drain any more`,
        hint: "Somebody took the drain back, or removed the node.",
      });
    }
    if (node.state === "drained") return node;
    const text = progressOf(node);
    if (text !== told) note(cli, text);
    told = text;
    await sleep(cli.clock, POLL_MS, cli.signal);
  }
}

function progressOf({ name, state, drainChunksLeft: left }: NodeView): string {
  if (state === "offline") return `${printable(name)} is away: waiting until it is back`;
  if (left === undefined) return "counting what it has";
  return `${plural(left, "chunk")} left`;
}

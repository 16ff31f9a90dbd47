/**
 * The parts of a node that does nothing but relay (`mesh-relay`): links, the mesh, and streams that
 * it passes on between nodes of its member. It keeps no files and serves no HTTP; what it passes on
 * is TLS between the ends, of which it has no key.
 */
import type { NodeId, Startable } from "@hearthmesh/core";
import type { Config } from "../config/config.js";
import type { NodeRecord } from "../home.js";
import { openMemberNode } from "../member-node.js";
import { renewalFrom } from "../renewal-from.js";
import type { Tools } from "../tools.js";
import { RelayReport } from "./relay-report.js";

/** In the order in which they start. */
export async function relayNode(
  config: Config,
  record: NodeRecord,
  tools: Tools,
): Promise<Startable[]> {
  const node = await openMemberNode(config, record, tools, (leader, contacts) => {
    contacts.heardOf(leader);
  });
  const { contacts, credentials, links } = node;
  const mesh = await node.openMesh();
  const { relay, links: table, swim } = mesh.parts;
  const nameOf = (nodeId: NodeId) => swim.peer(nodeId)?.name;
  const report = new RelayReport({ relay, links: table, nameOf, ...tools });
  return [renewalFrom(contacts, credentials, tools), links, mesh, report];
}

/** Calls to the agents of other nodes, over the links of the mesh. */
import { fromWireError, MeshError } from "@hearthmesh/core";
import type { MeshLinks } from "@hearthmesh/membership";
import type { AgentLinks } from "@hearthmesh/pool";

/** `mesh` answers undefined while the mesh is off: then nobody else can be reached. */
export function aiLinks(mesh: () => MeshLinks | undefined): AgentLinks {
  const linkTo: MeshLinks["linkTo"] = async (nodeId, options) => {
    const links = mesh();
    if (links !== undefined) return links.linkTo(nodeId, options);
    throw new MeshError("MESH_UNREACHABLE", { message: "the mesh is off on this node" });
  };
  return {
    call: async (nodeId, method, body, { signal, timeoutMs }) => {
      try {
        const link = await linkTo(nodeId, { signal });
        return await link.request(method, body, { signal, timeoutMs, priority: "control" });
      } catch (error) {
        throw fromWireError(error);
      }
    },
    openStream: async (nodeId, method, header, signal) => {
      try {
        const link = await linkTo(nodeId, { signal });
        return await link.openStream(method, header, { signal, priority: "rpc" });
      } catch (error) {
        throw fromWireError(error);
      }
    },
    wayTo: (nodeId) => {
      const open = mesh()
        ?.openLinks()
        .filter(({ link }) => link.peer.nodeId === nodeId);
      if (open === undefined || open.length === 0) return undefined;
      return { relayed: open.every(({ kind }) => kind === "relayed") };
    },
  };
}

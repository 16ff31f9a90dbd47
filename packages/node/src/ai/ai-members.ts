/** The nodes that may run models with this one: all members of its pools, or it alone. */
import type { NodeId } from "@hearthmesh/core";
import type { AgentMember, AgentMembers, PoolDirectory } from "@hearthmesh/pool";

/** `pools` is undefined on a node that knows no pools, such as one without a mesh. */
export function aiMembers(
  self: { readonly nodeId: NodeId; readonly name: string },
  pools: PoolDirectory | undefined,
): AgentMembers {
  const ownPools = () =>
    (pools?.pools() ?? []).filter(({ members }) => members.some(({ isSelf }) => isSelf));
  return {
    list: () => {
      const byId = new Map<NodeId, AgentMember>();
      for (const { members } of ownPools()) {
        for (const { nodeId, name, isSelf, status } of members) {
          const isOnline = isSelf || status === "online";
          if (!byId.has(nodeId)) byId.set(nodeId, { nodeId, name, isSelf, isOnline });
        }
      }
      if (byId.size === 0) return [{ ...self, isSelf: true, isOnline: true }];
      return [...byId.values()];
    },
    isPeer: (nodeId) =>
      ownPools().some(({ members }) => members.some((member) => member.nodeId === nodeId)),
    onChange: (listener) => pools?.onChange(listener) ?? (() => undefined),
  };
}

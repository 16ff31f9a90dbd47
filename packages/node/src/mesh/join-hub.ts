/** The first start of a spoke: MESH_TOKEN is an invite, MESH_HUB says where it is redeemed. */
import { isMeshError, MeshError } from "@hearthmesh/core";
import type { Config } from "../config/config.js";
import type { NodeRecord } from "../home.js";
import { enrolNode } from "../join-member.js";
import { parseHubAddress } from "./hub-address.js";

/**
 * Undefined when the configuration names no hub to join. Throws `MESH_CONFIG_INVALID` when hub and
 * token do not fit together, and what `enrolWithInvite` throws.
 */
export async function joinHub(config: Config): Promise<NodeRecord | undefined> {
  const { hubs, token, enabled } = config.mesh;
  if (enabled === "false" || (hubs.length === 0 && token === undefined)) return undefined;
  if (token === undefined) {
    throw new MeshError("MESH_CONFIG_INVALID", {
      message: "MESH_HUB is set, but this machine is no node of the hub's member yet",
      hint:
        "Make an invite there (`mesh invite generate --node`) and set MESH_TOKEN to it, " +
        "or use it here with `mesh join`.",
    });
  }
  const endpoints = hubs.flatMap((hub) => parseHubAddress(hub).enrolment);
  try {
    return await enrolNode(config, { invite: token, endpoints });
  } catch (error) {
    if (!isMeshError(error, "MESH_INVITE_INVALID")) throw error;
    throw new MeshError("MESH_CONFIG_INVALID", {
      message: `MESH_TOKEN is no invite: ${error.message}`,
      hint: "On the hub's machine `mesh invite generate --node` prints one.",
      cause: error,
    });
  }
}

/** The configuration file of Yggdrasil's daemon, 0.4 and 0.5, written anew at each start. */
import { readIfThere, writePrivate } from "@hearthmesh/client/private-files";
import { MeshError } from "@hearthmesh/core";
import type { OverlayConfig } from "../config/config.js";

/** Its first line, by which a file of somebody else is told from one of ours. */
const MARK = "# Written by Hearthmesh at each start of the node: what you change here is lost.";

export interface YggdrasilSettings
  extends Pick<OverlayConfig, "peers" | "listen" | "interfaceName" | "multicast" | "allowedKeys"> {
  readonly privateKey: string;
  readonly publicKey: string;
  readonly adminEndpoint: string;
}

/** HJSON: a comment and a JSON object, an entry of a list in a line of its own. */
export function yggdrasilConfig(settings: YggdrasilSettings): string {
  const { peers, listen, interfaceName, multicast, allowedKeys } = settings;
  const everywhere = { Regex: ".*", Beacon: true, Listen: true, Port: 0, Priority: 0 };
  const values = {
    Peers: peers,
    InterfacePeers: {},
    Listen: listen,
    AdminListen: settings.adminEndpoint,
    MulticastInterfaces: multicast ? [everywhere] : [],
    AllowedPublicKeys: allowedKeys,
    PublicKey: settings.publicKey,
    PrivateKey: settings.privateKey,
    IfName: interfaceName,
    // Strangers on the network learn nothing about the machine.
    NodeInfoPrivacy: true,
    NodeInfo: {},
  };
  return `${MARK}\n${JSON.stringify(values, undefined, 2)}\n`;
}

/**
 * Writes it with mode 0600: it holds the private key. `MESH_CONFIG_INVALID` for a file that is not
 * ours, or a directory in which this user may not write.
 */
export async function writeYggdrasilConfig(path: string, text: string): Promise<void> {
  try {
    const present = await readIfThere(path);
    if (present !== undefined && !present.startsWith(MARK)) {
      throw new MeshError("MESH_CONFIG_INVALID", {
        message: `${path} was not written by this program, and is left as it is`,
        hint: "Move it away, or name another file: `overlay.configFile`.",
      });
    }
    await writePrivate(path, text);
  } catch (cause) {
    if (cause instanceof MeshError) throw cause;
    throw new MeshError("MESH_CONFIG_INVALID", {
      message: `${path} cannot be written: ${(cause as Error).message}`,
      hint: "Give the user of this node that directory, or name another `overlay.configFile`.",
      cause,
    });
  }
}

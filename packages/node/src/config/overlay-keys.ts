/** The keys of the overlay: a network over networks, at whose address this node is reached too. */
import { z } from "zod";
import { OVERLAY_URIS_MAX, SOCKET_PATH_BYTES_MAX } from "../overlay/limits.js";
import { whyNoListener, whyNoPeer } from "../overlay/peer-uri.js";
import { flag, key, list } from "./key-forms.js";

function uris(whyNot: (uri: string) => string | undefined) {
  return list.pipe(
    z
      .array(
        z.string().superRefine((uri, context) => {
          const message = whyNot(uri);
          if (message !== undefined) context.addIssue({ code: "custom", message });
        }),
      )
      .max(OVERLAY_URIS_MAX),
  );
}

const adminListen = z
  .string()
  .regex(/^unix:\/\/\/[\x21-\x7e]+$/, "use unix:///path")
  .transform((value) => value.slice("unix://".length))
  .refine((path) => path.length <= SOCKET_PATH_BYTES_MAX, "the path is too long for a socket");

export const OVERLAY_KEYS = {
  "overlay.type": key(
    z.enum(["auto", "none", "yggdrasil"]),
    "auto",
    "overlay",
    ["MESH_OVERLAY"],
    "The overlay network that this node is in, also written `overlay: yggdrasil`. auto: " +
      "yggdrasil when peers of it or a place to listen are named, else none.",
  ),
  "overlay.peers": key(
    uris(whyNoPeer),
    "",
    "overlay-peer",
    ["MESH_OVERLAY_PEERS", "YGGDRASIL_PEERS"],
    "Yggdrasil peers to dial, such as tcp://203.0.113.9:9010 or tls://[2001:db8::1]:9010.",
  ),
  "overlay.listen": key(
    uris(whyNoListener),
    "",
    "overlay-listen",
    ["MESH_OVERLAY_LISTEN", "YGGDRASIL_LISTEN"],
    "Where other Yggdrasil nodes may dial this one, such as tls://0.0.0.0:9010. Default: nowhere.",
  ),
  "overlay.allowedKeys": key(
    list.pipe(z.array(z.string().regex(/^[0-9a-f]{64}$/, "use 64 hexadecimal digits")).max(256)),
    "",
    "overlay-allow",
    ["MESH_OVERLAY_ALLOWED_KEYS"],
    "Public keys of the Yggdrasil nodes that may dial this one. Default: any may; they carry " +
      "packets, and links ask everybody for a certificate.",
  ),
  "overlay.interface": key(
    z.string().regex(/^[a-z0-9][a-z0-9._-]{0,14}$/, "use up to 15 of a-z, 0-9, . _ -"),
    "auto",
    "overlay-interface",
    ["MESH_OVERLAY_INTERFACE"],
    "Name of the network interface that it makes. auto: the system chooses, and where this user " +
      "may make none it goes without; none: no interface, so that this node only carries packets.",
  ),
  "overlay.multicast": key(
    flag,
    "false",
    "overlay-multicast",
    ["MESH_OVERLAY_MULTICAST"],
    "Whether Yggdrasil looks for any Yggdrasil nodes on the LAN by itself, also those of others.",
  ),
  "overlay.configFile": key(
    z.string().min(1),
    "",
    "overlay-config",
    ["MESH_OVERLAY_CONFIG_FILE"],
    "Where its configuration is written (mode 0600: it holds the key). Default: " +
      "`run/yggdrasil.conf` in MESH_HOME.",
  ),
  "overlay.adminListen": key(
    adminListen,
    "",
    "overlay-admin",
    ["MESH_OVERLAY_ADMIN"],
    "Its admin socket, unix:///path. Default: `run/yggdrasil.sock` in MESH_HOME. At " +
      "unix:///var/run/yggdrasil/yggdrasil.sock Debian's yggdrasilctl finds it by itself.",
  ),
} as const;

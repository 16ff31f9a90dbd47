/** From the configuration to the overlay of a node. */
import { join } from "node:path";
import { MeshError } from "@hearthmesh/core";
import type { Config } from "../config/config.js";
import type { Tools } from "../tools.js";
import { SOCKET_PATH_BYTES_MAX } from "./limits.js";
import type { Overlay } from "./overlay.js";
import { type YggdrasilFiles, YggdrasilOverlay } from "./yggdrasil-overlay.js";

/** Undefined without one, and while the mesh is off: nobody else would use it. */
export function openOverlay(
  { overlay: config, mesh, home }: Config,
  searchPath: string | undefined,
  tools: Tools,
): Overlay | undefined {
  if (config.type === "none" || mesh.enabled === "false") return undefined;
  const files = overlayFiles(config, home);
  const log = tools.log.child({ part: "overlay" });
  return new YggdrasilOverlay({ config, files, searchPath, ...tools, log });
}

/** The configuration with what others are told: the overlay's addresses come last. */
export function withOverlay(config: Config, overlay: Overlay | undefined): Config {
  if (overlay === undefined) return config;
  return { ...config, links: { ...config.links, overlayHosts: () => overlay.addresses() } };
}

/** `MESH_CONFIG_INVALID` where the system cannot make a socket of that name. */
function overlayFiles({ configFile, adminSocket }: Config["overlay"], home: string) {
  const files: YggdrasilFiles = {
    key: join(home, "secrets", "yggdrasil.key"),
    config: configFile ?? join(home, "run", "yggdrasil.conf"),
    adminSocket: adminSocket ?? join(home, "run", "yggdrasil.sock"),
    log: join(home, "logs", "yggdrasil.log"),
  };
  if (Buffer.byteLength(files.adminSocket) <= SOCKET_PATH_BYTES_MAX) return files;
  throw new MeshError("MESH_CONFIG_INVALID", {
    message: `${files.adminSocket} is longer than a socket's name may be`,
    hint: "Name a shorter one: `overlay.adminListen: unix:///run/user/1000/yggdrasil.sock`.",
  });
}

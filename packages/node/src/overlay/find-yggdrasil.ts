/** Yggdrasil's daemon as the system has installed it, and what it needs of the system. */
import { access } from "node:fs/promises";
import { MeshError } from "@hearthmesh/core";
import { findProgram } from "../processes/find-program.js";
import { shownLine } from "./peer-uri.js";

/** Debian installs it where the PATH of most users does not look. */
const FOLDERS = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/bin"];
const TUN_DEVICE = "/dev/net/tun";

/** `MESH_OVERLAY_MISSING`. */
export async function findYggdrasil(
  searchPath: string | undefined,
  folders: readonly string[] = FOLDERS,
): Promise<string> {
  const path = await findProgram("yggdrasil", searchPath, folders);
  if (path === undefined) throw new MeshError("MESH_OVERLAY_MISSING");
  return path;
}

/** `MESH_OVERLAY_FAILED` where no interface can be made. Whether we may, only an attempt tells. */
export async function requireTun(
  interfaceName: string,
  device: string = TUN_DEVICE,
): Promise<void> {
  if (interfaceName === "none" || process.platform !== "linux") return;
  const isThere = await access(device).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  throw new MeshError("MESH_OVERLAY_FAILED", {
    message: `this machine has no ${device}, which the overlay makes its interface with`,
    hint:
      "Load it: `modprobe tun`. In a container: `--device /dev/net/tun --cap-add NET_ADMIN`. " +
      "Or run without an interface: `overlay.interface: none`.",
  });
}

/** A line of its output that says why it cannot run, or why a peer was not taken. */
export function complaintOf(line: string): string | undefined {
  const text = shownLine(line).replace(/^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d /, "");
  if (/^(panic: |fatal error: |An error occurred|Failed to add peer|Admin socket )/.test(text)) {
    return text;
  }
  return /\b(permission denied|operation not permitted|address already in use)\b/.test(text)
    ? text
    : undefined;
}

/** `Failed to dial TCP 10.0.0.1:9: ...`: it tries again by itself. */
export function dialFailureOf(line: string): string | undefined {
  return /(Failed to dial .{1,300})/.exec(shownLine(line))?.[1];
}

/** What to do about an end, for those that have a known cause. */
export function endHint(reason: string): string {
  if (!/permission denied|operation not permitted/.test(reason)) return "";
  return (
    ". This user may not make an interface: run as root, give the program the right " +
    "(`setcap cap_net_admin+ep` on it) and on /dev/net/tun, or set `overlay.interface: none`"
  );
}

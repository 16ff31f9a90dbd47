/**
 * The first start of a machine that finds its invite in a file (MESH_TOKEN_FILE). File and
 * coordinator may come later than this machine, as in a compose project that starts all at once.
 */
import { readPrivate } from "@hearthmesh/client/private-files";
import {
  type Clock,
  type ErrorCode,
  isMeshError,
  type Logger,
  MeshError,
  sleep,
} from "@hearthmesh/core";
import type { Config } from "../config/config.js";
import type { NodeRecord } from "../home.js";
import { enrolNode } from "../join-member.js";

const PAUSE_MS = 1_000;

/** These pass: the coordinator starts, or writes a new invite. */
const PASSING: readonly ErrorCode[] = [
  "MESH_NOT_FOUND",
  "MESH_UNREACHABLE",
  "MESH_TIMEOUT",
  "MESH_STOPPING",
  "MESH_NOT_LEADER",
  "MESH_STORE_UNAVAILABLE",
  "MESH_INVITE_UNKNOWN",
  "MESH_INVITE_EXPIRED",
  "MESH_INVITE_USED",
  "MESH_INVITE_REVOKED",
];

/**
 * Undefined without such a file in the configuration. Waits for what passes, and says so in the
 * log; throws what does not.
 */
export async function joinTokenFile(
  config: Config,
  { clock, log, signal }: { clock: Clock; log: Logger; signal?: AbortSignal },
): Promise<NodeRecord | undefined> {
  const path = config.mesh.tokenFile;
  if (path === undefined) return undefined;
  let told: ErrorCode | undefined;
  for (;;) {
    try {
      return await enrolNode(config, { invite: await readInvite(path) });
    } catch (error) {
      if (!isMeshError(error) || !PASSING.includes(error.code)) throw error;
      if (error.code !== told) log.info("waiting to join", { path, reason: error.message });
      told = error.code;
    }
    await sleep(clock, PAUSE_MS, signal);
  }
}

async function readInvite(path: string): Promise<string> {
  try {
    return (await readPrivate(path)).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new MeshError("MESH_NOT_FOUND", { message: `${path} is not there yet` });
  }
}

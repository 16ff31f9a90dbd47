/**
 * How a relay becomes a node of the member whose node runs on this machine: it asks that node, over
 * loopback, for an invite with a name of its own, and redeems it as any other machine would. Key
 * and certificate are the relay's own; the node of this machine may stop without it.
 */
import { ApiClient } from "@hearthmesh/client/enrolment";
import { readRunningNode } from "@hearthmesh/client/running-node";
import {
  type Clock,
  type ErrorCode,
  isMeshError,
  type Logger,
  MeshError,
  sleep,
} from "@hearthmesh/core";
import type { Config } from "../config/config.js";
import { type NodeRecord, readNodeRecord } from "../home.js";
import { enrolNode } from "../join-member.js";

const PAUSE_MS = 500;
const NAME_LENGTH_MAX = 63;
/** Relays of one machine that had other keys, such as after its folder was removed. */
const NAMES_TRIED_MAX = 9;
const INVITE_VALIDITY = "10m";
/** These pass: the node is not there yet, or not ready. */
const PASSING: readonly ErrorCode[] = [
  "MESH_NOT_RUNNING",
  "MESH_UNREACHABLE",
  "MESH_TIMEOUT",
  "MESH_STOPPING",
  "MESH_NOT_LEADER",
  "MESH_STORE_UNAVAILABLE",
];

/**
 * Waits for a node that runs from `home`, then enrols the relay and writes its record. Throws what
 * waiting does not mend, and the signal's reason.
 */
export async function enrolRelay(options: {
  readonly home: string;
  readonly config: Config;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly log: Logger;
}): Promise<NodeRecord> {
  const { signal, clock, log } = options;
  let told: ErrorCode | undefined;
  for (;;) {
    try {
      return await enrolOnce(options);
    } catch (error) {
      if (!isMeshError(error) || !PASSING.includes(error.code)) throw error;
      if (error.code !== told) log.info("waiting for the pool", { reason: error.message });
      told = error.code;
    }
    await sleep(clock, PAUSE_MS, signal);
  }
}

async function enrolOnce({ home, config, clock }: Parameters<typeof enrolRelay>[0]) {
  const running = await readRunningNode(home);
  const node = await readNodeRecord(home);
  if (running === undefined || node === undefined) {
    throw new MeshError("MESH_NOT_RUNNING", {
      message: `no node runs from ${home} yet: \`mesh pool-create\`, then \`mesh start\``,
    });
  }
  if (running.httpUrl === undefined) {
    throw new MeshError("MESH_CONFIG_INVALID", {
      message: `${node.name} is not its member's coordinator and cannot let a relay in`,
      hint:
        "On the coordinator run `mesh invite generate --node --role gateway --quiet`, keep the " +
        "code in a private file, and start `mesh-relay --token-file FILE` here.",
    });
  }
  const api = new ApiClient({ loopbackUrl: running.httpUrl, clock });
  try {
    for (let attempt = 1; ; attempt++) {
      const name = nameOf(node.name, attempt);
      const { code } = await api.createInvite({
        kind: "node",
        roles: ["gateway"],
        grants: [],
        nodeName: name,
        maxUses: 1,
        validity: INVITE_VALIDITY,
        description: "the relay on the same machine",
      });
      try {
        return await enrolNode(config, { invite: code, name });
      } catch (error) {
        if (attempt >= NAMES_TRIED_MAX || !isMeshError(error, "MESH_NAME_TAKEN")) throw error;
      }
    }
  } finally {
    api.close();
  }
}

function nameOf(node: string, attempt: number): string {
  const suffix = attempt === 1 ? "-relay" : `-relay-${attempt}`;
  return `${node.slice(0, NAME_LENGTH_MAX - suffix.length)}${suffix}`;
}

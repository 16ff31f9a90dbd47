/** Where this machine's data is, by the same rule as the daemon. */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { parseEnv } from "node:util";
import { readRunningNode } from "@hearthmesh/client/running-node";
import { MeshError } from "@hearthmesh/core";
import type { Cli } from "./cli.js";

const VARIABLES = ["MESH_HOME", "COLLECTIVE_DATA_DIR"] as const;

/** `--home`, then MESH_HOME in the environment, then in `.env`, then `~/.meshnet`. */
export async function findHome(cli: Cli, flag: string | undefined): Promise<string> {
  if (flag !== undefined) return resolve(cli.cwd, flag);
  const dotEnv = await readDotEnv(cli.cwd);
  for (const values of [cli.env, dotEnv]) {
    for (const name of VARIABLES) {
      const value = values[name];
      if (value) return resolve(cli.cwd, value);
    }
  }
  return join(homedir(), ".meshnet");
}

async function readDotEnv(cwd: string): Promise<Record<string, string | undefined>> {
  try {
    return parseEnv(await readFile(join(cwd, ".env"), "utf8"));
  } catch {
    return {};
  }
}

/** The page and API of the node that runs from this home. `MESH_NOT_RUNNING` when there is none. */
export async function requireLocalUrl(home: string): Promise<string> {
  const running = await readRunningNode(home);
  if (running?.httpUrl !== undefined) return running.httpUrl;
  const message =
    running === undefined
      ? `no node runs from ${home}`
      : `the node that runs from ${home} is not its member's coordinator`;
  throw new MeshError("MESH_NOT_RUNNING", {
    message,
    ...(running === undefined ? {} : { hint: "Ask the coordinator's machine instead." }),
  });
}

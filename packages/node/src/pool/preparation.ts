/**
 * `mesh init`: what is known of a machine before it is a node. `init.json` in the home says how it
 * wants to be called and in which network it is; whether it makes a member of its own or joins one
 * is decided later.
 */
import { join } from "node:path";
import { readIfThere, writePrivate } from "@hearthmesh/client/private-files";
import { MeshError, parseNodeName } from "@hearthmesh/core";
import { parsePoolName } from "@hearthmesh/identity";
import type { Config } from "../config/config.js";
import { type ConfigSources, loadConfig } from "../config/load.js";
import { defaultNodeName } from "../create-member.js";
import { readNodeRecord } from "../home.js";

/** Of a machine that was not prepared. */
export const NETWORK_ID_DEFAULT = "home";

export interface Preparation {
  readonly v: 1;
  readonly networkId: string;
  readonly nodeName: string;
}

export interface PrepareOptions extends ConfigSources {
  networkId: string;
  /** As a person writes it; default: the host name. */
  name?: string | undefined;
}

/**
 * Prepares the home. Again with the same values it changes nothing; `MESH_CONFIG_INVALID` with
 * others, and when the node that lives there has another name.
 */
export async function prepareHome(options: PrepareOptions): Promise<Preparation> {
  const { config } = loadConfig(options);
  const networkId = parsePoolName(options.networkId, "network id");
  const wanted = options.name === undefined ? undefined : nodeNameFrom(options.name);
  const [present, record] = await Promise.all([
    readPreparation(config.home),
    readNodeRecord(config.home),
  ]);
  const nodeName =
    wanted ?? present?.nodeName ?? record?.name ?? config.nodeName ?? defaultNodeName();
  const known = present ?? (record && { networkId, nodeName: record.name });
  if (known !== undefined && (known.networkId !== networkId || known.nodeName !== nodeName)) {
    throw new MeshError("MESH_CONFIG_INVALID", {
      message:
        `${config.home} was prepared as ${known.nodeName} in network ${known.networkId}, ` +
        `and cannot be ${nodeName} in network ${networkId} too`,
      hint: "Use the same values, or another directory with MESH_HOME.",
    });
  }
  const preparation: Preparation = { v: 1, networkId, nodeName };
  if (present === undefined) await writePrivate(pathIn(config.home), JSON.stringify(preparation));
  return preparation;
}

/** Undefined for a home that was not prepared. `MESH_STORE_CORRUPT` when the file is damaged. */
export async function readPreparation(home: string): Promise<Preparation | undefined> {
  const path = pathIn(home);
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  try {
    const { networkId, nodeName } = JSON.parse(text) as Preparation;
    return {
      v: 1,
      networkId: parsePoolName(networkId, "network id"),
      nodeName: parseNodeName(nodeName),
    };
  } catch (cause) {
    throw new MeshError("MESH_STORE_CORRUPT", {
      message: `${path} is damaged`,
      hint: "Remove it and run `mesh init` again.",
      cause,
    });
  }
}

/** The configuration with the prepared name, where it names none itself. */
export async function withPreparation(config: Config): Promise<Config> {
  if (config.nodeName !== undefined) return config;
  const preparation = await readPreparation(config.home);
  return preparation === undefined ? config : { ...config, nodeName: preparation.nodeName };
}

function pathIn(home: string): string {
  return join(home, "init.json");
}

/** `MacBook-Admin` is `macbook-admin`. `MESH_BAD_REQUEST` when nothing of the name is left. */
function nodeNameFrom(text: string): string {
  const name = text
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .slice(0, 63)
    .replace(/^-+|-+$/g, "");
  return parseNodeName(name === "" ? text : name);
}

import { readRunningNode } from "@hearthmesh/client/running-node";
import { limits, parseDurationMs } from "@hearthmesh/core";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { loadDaemon } from "../daemon.js";
import { throughDoor } from "../door.js";
import { findHome } from "../home.js";
import { printPoolCredentials } from "./pool-options.js";

interface Options {
  name: string;
  home?: string;
  pair?: boolean;
  validity?: string;
  existing?: boolean;
  json?: boolean;
}

interface Created {
  readonly poolId: string;
  readonly name: string;
  readonly networkId: string;
  readonly rootPublicKey: string;
  readonly pairingCode?: string;
}

export function poolCreateCommand(cli: Cli): MeshCommand {
  return new MeshCommand("create")
    .description("make a pool, whose admin this machine is; it may run or not")
    .requiredOption("--name <name>", "name of the pool")
    .option("--pair", "make a pairing code too, which lets one machine in without a question")
    .option("--validity <time>", "how long the pairing code holds; default: 10m")
    .option("--existing", "a pool of this name that is there already is shown, and is no error")
    .option("--home <directory>", "data directory instead of MESH_HOME")
    .option("--json", "as JSON")
    .withExamples("mesh pool create --name test-pool", "mesh pool create --name lab --pair --json")
    .action(async (options: Options) => {
      const running = await readRunningNode(await findHome(cli, options.home));
      const created =
        running === undefined ? await createHere(cli, options) : await createThere(cli, options);
      if (options.json === true) return printJson(cli, created);
      const { poolId, name, rootPublicKey, pairingCode } = created;
      print(cli, `This machine is the admin of the pool ${name}.`);
      print(cli);
      printPoolCredentials(cli, created, pairingCode);
      print(cli);
      print(cli, cli.colours.dim("On another machine:"));
      const given = `--pool-id ${poolId} --pool-root-pubkey ${rootPublicKey} --name ${name}`;
      print(cli, cli.colours.dim(`  mesh pool join ${given}`));
    });
}

/** No node runs from this home: the records are written straight. */
async function createHere(cli: Cli, options: Options): Promise<Created> {
  const { name, home, pair, validity, existing } = options;
  const { createPoolHere } = await loadDaemon();
  const { env, cwd } = cli;
  const flags = home === undefined ? {} : { home };
  const isExistingFine = existing === true;
  const validityMs =
    validity === undefined ? limits.PAIRING_VALIDITY_MS : parseDurationMs(validity);
  const pairing = pair === true ? { validityMs, uses: 1 } : undefined;
  return createPoolHere({ name, isExistingFine, pairing, flags, env, cwd });
}

async function createThere(cli: Cli, options: Options): Promise<Created> {
  const { name, home, pair, validity, existing } = options;
  const door = home === undefined ? { local: true } : { home, local: true };
  return throughDoor(cli, door, async ({ api }) => {
    const { createPool, listPools, pairPool } = await import("@hearthmesh/client");
    const { pools } = existing === true ? await listPools(api) : { pools: [] };
    const present = pools.find((pool) => pool.name === name);
    const pool = present ?? (await createPool(api, { name })).pool;
    const { poolId, networkId, rootPublicKey } = pool;
    const wish = validity === undefined ? {} : { validity };
    const code = pair === true ? (await pairPool(api, poolId, wish)).code : undefined;
    const pairing = code === undefined ? {} : { pairingCode: code };
    return { poolId, name, networkId, rootPublicKey, ...pairing };
  });
}

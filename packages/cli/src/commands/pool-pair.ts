import { readRunningNode } from "@hearthmesh/client/running-node";
import { limits, parseDurationMs } from "@hearthmesh/core";
import { InvalidArgumentError } from "commander";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { loadDaemon } from "../daemon.js";
import { throughNodeDoor } from "../door.js";
import { findHome } from "../home.js";
import { findPool, type PoolOptions, withPoolOptions } from "./pool-options.js";

interface Options extends PoolOptions {
  validity?: string;
  uses: number;
}

export function poolPairCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("pair")
    .description("a code that lets a machine into a pool without a question")
    .option("--validity <time>", "how long it holds; default: 10m")
    .option("--uses <number>", "how many machines it lets in", readUses, 1)
    .withExamples("mesh pool pair", "mesh pool pair --uses 3 --validity 1h");
  return withPoolOptions(command).action(async (options: Options) => {
    const running = await readRunningNode(await findHome(cli, options.home));
    const answer =
      running === undefined ? await pairHere(cli, options) : await pairThere(cli, options);
    if (options.json === true) return printJson(cli, answer);
    print(cli, `Pairing code:  ${answer.code}`);
    print(cli, `Valid until:   ${answer.notAfter}`);
    print(cli, cli.colours.dim("On the other machine: mesh pool join ... --code CODE"));
  });
}

async function pairThere(cli: Cli, options: Options) {
  return throughNodeDoor(cli, options, async ({ api }) => {
    const { pairPool } = await import("@hearthmesh/client");
    const pool = await findPool(api, options);
    const { validity, uses } = options;
    return pairPool(api, pool.poolId, { uses, ...(validity === undefined ? {} : { validity }) });
  });
}

/** No node runs from this home: the records are written straight. */
async function pairHere(cli: Cli, { poolId, validity, uses, home }: Options) {
  const { pairPoolHere } = await loadDaemon();
  const { env, cwd } = cli;
  const validityMs =
    validity === undefined ? limits.PAIRING_VALIDITY_MS : parseDurationMs(validity);
  const flags = home === undefined ? {} : { home };
  return pairPoolHere({ pool: poolId, validityMs, uses, flags, env, cwd });
}

function readUses(text: string): number {
  const uses = Number(text);
  if (Number.isInteger(uses) && uses >= 1 && uses <= limits.PAIRING_USES_MAX) return uses;
  throw new InvalidArgumentError(`It is a whole number from 1 to ${limits.PAIRING_USES_MAX}.`);
}

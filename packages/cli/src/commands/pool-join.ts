import { parseDurationMs } from "@hearthmesh/core";
import { type Cli, note, print, printJson } from "../cli.js";
import { collect, MeshCommand } from "../command.js";
import { loadDaemon } from "../daemon.js";
import { readCode, waitingFor } from "../input.js";
import { printable } from "../text.js";

interface Options {
  poolId: string;
  poolRootPubkey: string;
  name?: string;
  peer?: string[];
  controlPlane?: string;
  code?: string;
  role?: string[];
  wait: string;
  home?: string;
  json?: boolean;
}

/** Instead of `--code`, which others on this machine can see while the command runs. */
const CODE_VARIABLE = "MESH_PAIRING_CODE";

export function poolJoinCommand(cli: Cli): MeshCommand {
  return new MeshCommand("join")
    .description("ask the admin of a pool to let this machine in, and wait for the answer")
    .requiredOption("--pool-id <id>", "as `mesh pool create` printed it")
    .requiredOption("--pool-root-pubkey <key>", "as `mesh pool create` printed it")
    .option("--name <name>", "name of the pool; checked against its id")
    .option(
      "--peer <host:port>",
      "enrolment port of the admin (9001), instead of asking on the LAN; may be repeated",
      collect,
    )
    .option("--control-plane <url>", "HTTP port of the admin's control plane, as another way there")
    .option("--code <code>", `pairing code; - reads it; default: the variable ${CODE_VARIABLE}`)
    .option(
      "--role <role>",
      "storage or gateway beside ai; may be repeated; default: both",
      collect,
    )
    .option("--wait <time>", "for the admin's answer", "60s")
    .option("--home <directory>", "data directory instead of MESH_HOME")
    .option("--json", "as JSON")
    .withExamples(
      "mesh pool join --pool-id ID --pool-root-pubkey KEY --name test-pool",
      "mesh pool join --pool-id ID --pool-root-pubkey KEY --peer 192.168.1.20:9001 --code - < code",
    )
    .action(async (options: Options) => {
      const { env, cwd, signal } = cli;
      const given = options.code ?? env[CODE_VARIABLE];
      const code = given === undefined || given === "" ? undefined : await readCode(cli, given);
      const tunnel = await openTunnel(options);
      const peers = [...(options.peer ?? []), ...(tunnel === undefined ? [] : [tunnel.address])];
      const { joinPool } = await loadDaemon();
      const work = joinPool({
        poolId: options.poolId,
        rootPublicKey: options.poolRootPubkey,
        poolName: options.name,
        peers,
        code,
        roles: options.role,
        waitMs: parseDurationMs(options.wait),
        onWords: (words) => showWords(cli, words),
        flags: options.home === undefined ? {} : { home: options.home },
        env,
        cwd,
        signal,
      }).finally(() => tunnel?.close());
      const joined = await waitingFor(cli, "Asking the admin of the pool", work);
      if (options.json === true) return printJson(cli, joined);
      print(cli, `Joined the pool ${printable(joined.poolName)} as ${joined.nodeName}.`);
      print(cli, cli.colours.dim(`Next: ${nextStep(joined)}`));
    });
}

/** The bytes of the admin's enrolment door, brought over HTTP; what they are stays sealed. */
async function openTunnel({ controlPlane, poolId }: Options) {
  if (controlPlane === undefined) return undefined;
  const { openEnrolmentTunnel } = await import("@hearthmesh/client");
  return openEnrolmentTunnel(controlPlane, poolId);
}

/** On standard error: it is said before there is a result. */
function showWords(cli: Cli, words: string): void {
  note(cli, `This machine waits for the admin's approval. Its words: ${words}`);
  note(cli, `On the admin's machine, when it shows the same: mesh pool approve ${words}`);
}

function nextStep({ isNew, isToRestart }: { isNew: boolean; isToRestart: boolean }): string {
  if (isNew) return "mesh up";
  return isToRestart ? "start its node anew, so that it runs models" : "mesh pool status";
}

import { resolve } from "node:path";
import { formatBytes } from "@hearthmesh/core";
import { type Cli, print, printJson } from "../cli.js";
import { MeshCommand } from "../command.js";
import { loadDaemon } from "../daemon.js";
import { type DoorOptions, throughDoor, withDoorOptions } from "../door.js";
import { showProgress } from "../progress.js";

interface Options extends DoorOptions {
  output?: string;
  json?: boolean;
}

export function storeSnapshotCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("snapshot")
    .description("the whole store as one file, while it is in use; its hash is checked")
    .option("-o, --output <file>", "default: store-<time>.db in this directory")
    .option("--json", "what was written, as JSON")
    .withExamples("mesh store snapshot", "mesh store snapshot --output /backup/store.db");
  return withDoorOptions(command).action(async (options: Options) => {
    const { snapshotName, writeSnapshot } = await loadDaemon();
    const output = resolve(cli.cwd, options.output ?? snapshotName(cli.clock.nowMs()));
    await throughDoor(cli, options, async ({ api }) => {
      const { storeSnapshot } = await import("@hearthmesh/client");
      const bar = await showProgress(cli, "Taking a snapshot", undefined);
      try {
        const pieces = await storeSnapshot(api, cli.signal);
        const info = await writeSnapshot(
          output,
          counted(pieces, (bytes) => bar.update(bytes)),
        );
        bar.end();
        if (options.json === true) return printJson(cli, { output, ...info });
        print(cli, `Wrote ${output}: ${info.engine}, ${formatBytes(info.bytes)}.`);
        print(cli, "Keep it private and on another machine: it holds the member's records.");
        print(cli, `Back again, with the node stopped: mesh store restore ${output}`);
      } finally {
        bar.end();
      }
    });
  });
}

async function* counted(
  pieces: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    onBytes(bytes);
    yield piece;
  }
}

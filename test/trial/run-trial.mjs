/**
 * Random operations of several people on the files of a member of real processes, under faults.
 * Every answer is compared with a model of the tree, and at the end the whole tree with it. It is
 * the workload and the checker of the simulator.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@hearthmesh/core";
import { checkTree, createTrace, seededRandom, TreeWorkload, Violations } from "@hearthmesh/sim";
import { MeshProcesses } from "../../scripts/mesh-processes.mjs";
import { trialClient } from "./trial-client.mjs";
import { FaultMaker } from "./trial-faults.mjs";

const FILE_BYTES_MAX = 3 << 20;

/**
 * @param {{
 *   operations: number, clients: number, faults: readonly string[], seed: string,
 *   onLine?: (line: string) => void,
 * }} options
 */
export async function runTrial({ operations, clients: count, faults, seed, onLine }) {
  const folder = mkdtempSync(join(tmpdir(), "hearthmesh-trial-"));
  const random = seededRandom(seed);
  const clock = systemClock();
  const trace = createTrace({ clock, ...(onLine === undefined ? {} : { onLine }) });
  const violations = new Violations(trace);
  const member = await MeshProcesses.start({ folder, storageNodes: 3 });
  const clients = [];
  try {
    for (let index = 0; index < count; index++) {
      const name = `person-${index}`;
      const place = { home: join(folder, name), root: `/trial/${name}` };
      clients.push(await trialClient({ member, name, ...place }));
    }
    const contents = [];
    const trees = clients.map(
      (client) =>
        new TreeWorkload({
          ...{ client, clock, trace, violations, contents },
          random: random.fork(client.name),
          root: `/trial/${client.name}`,
          operations: Math.ceil(operations / count),
          fileBytesMax: FILE_BYTES_MAX,
          faultsExpected: faults.length > 0,
          thinkMsMax: 10,
        }),
    );
    const maker = new FaultMaker({ member, random: random.fork("faults"), kinds: faults, trace });
    const faulty = maker.run();
    const startMs = clock.monotonicMs();
    await Promise.all(trees.map((tree) => tree.run()));
    const seconds = (clock.monotonicMs() - startMs) / 1000;
    maker.stop();
    await faulty;
    for (const [index, client] of clients.entries()) {
      for (const problem of await checkTree(client, trees[index].model)) violations.add(problem);
    }
    const sum = (pick) => trees.reduce((total, tree) => total + pick(tree), 0);
    return {
      operations: sum((tree) => tree.succeeded + tree.failed),
      succeeded: sum((tree) => tree.succeeded),
      failed: sum((tree) => tree.failed),
      files: sum((tree) => tree.model.paths("file").length),
      unknown: sum((tree) => tree.model.unknownGroups.length),
      faults: maker.counts,
      seconds,
      violations: [...violations.list],
    };
  } finally {
    await Promise.all(clients.map((client) => client.close().catch(() => {})));
    await member.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

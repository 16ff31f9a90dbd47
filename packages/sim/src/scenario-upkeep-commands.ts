/** The operator's upkeep in a scenario: workers, the check, and damage for them to find. */
import type { FsckReport } from "@hearthmesh/collective";
import type { Scenario, ScenarioCommand } from "./scenario.js";

export const upkeepCommands: Record<string, ScenarioCommand> = {
  flip: {
    usage: "flip MACHINE",
    run: async (scenario, [name = ""]) => {
      const { disk } = (await scenario.mesh()).machine(name);
      const packs = disk.filePaths.filter((path) => path.endsWith(".pack"));
      const [largest] = packs.sort((a, b) => disk.sizeOf(b) - disk.sizeOf(a));
      if (largest === undefined) return ["there is nothing to damage"];
      disk.flipBit(largest, Math.floor(disk.sizeOf(largest) / 2));
      return [];
    },
  },
  worker: {
    usage: "worker NAME",
    isWork: true,
    run: async (scenario, [name = ""]) => {
      const { done, errors } = await (await scenario.mesh()).runWorker(name);
      return [`${name}: ${done} done, ${errors} errors`];
    },
  },
  fsck: {
    usage: "fsck [--repair]",
    isWork: true,
    run: async (scenario, words) => fsck(scenario, words.includes("--repair")),
  },
};

async function fsck(scenario: Scenario, repair: boolean): Promise<string[]> {
  const report = await (await scenario.mesh()).fsck(repair);
  return [...describeFindings(report), report.state];
}

/** Without ids, which are others in every run. */
export function describeFindings({ findings, underReplicated }: FsckReport): string[] {
  const lines = findings.map(({ kind, path, detail, mended }) => {
    const about = path === undefined ? detail : `${path}: ${detail}`;
    return `${mended ? "mended " : ""}${kind}: ${about}`;
  });
  return underReplicated === 0 ? lines : [...lines, `${underReplicated} chunks lack copies`];
}

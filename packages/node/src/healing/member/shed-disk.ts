/**
 * On the node whose disk it is: gives back what the home does not need, and when it is all but full
 * takes no new chunks until there is room. What is in the trash stays until its time is over:
 * people may want it back.
 */
import { join } from "node:path";
import type { PackStore } from "@hearthmesh/collective";
import { formatBytes } from "@hearthmesh/core";
import type { Remedy, Symptom } from "@hearthmesh/healing";
import { homeDiskId } from "./home-disk.js";
import { compactAll, trimLogs } from "./home-room.js";
import { type LeadingMember, workerBlocked } from "./leading-member.js";

const VERIFY_MS = 120_000;
const UPKEEP = ["trash", "garbage"];

export interface ShedDiskOptions {
  readonly home: string;
  readonly nodeId: string;
  readonly nodeName: string;
  /** Undefined on a node that keeps no chunks. */
  readonly chunks: Pick<PackStore, "compactOnce" | "refuse"> | undefined;
  /** Undefined on a node that is no coordinator. */
  readonly member: LeadingMember | undefined;
}

export function shedDisk(options: ShedDiskOptions): Remedy {
  const { home, nodeId, nodeName, chunks, member } = options;
  return {
    name: "shed-disk",
    handles: ["disk-filling", "disk-full"],
    cost: 0.2,
    risk: 0.1,
    verifyWithinMs: VERIFY_MS,
    rate: { count: 3, windowMs: 3_600_000 },
    describe: (symptom) =>
      "compacts packs, cuts logs" +
      (member?.view() === undefined ? "" : ", runs the workers trash and garbage") +
      (refuses(symptom) ? ", and takes no new chunks until there is room" : ""),
    blockedBy: ({ subject }) =>
      subject.id === homeDiskId(nodeId) ? undefined : "only that node itself can do it",
    apply: async (symptom, signal) => {
      const did: string[] = [];
      if (refuses(symptom) && chunks !== undefined) {
        chunks.refuse(`the disk of ${nodeName} is all but full`);
        did.push("takes no new chunks until there is room");
      }
      did.push(...(await wakeUpkeep(member)));
      const freedBytes = await trimLogs(join(home, "logs"));
      let changedNothing = did.length === 0 && freedBytes === 0;
      did.push(`cut ${formatBytes(freedBytes)} of logs`);
      if (chunks !== undefined) {
        const packs = await compactAll(chunks, signal);
        did.push(`gave back ${packs === 1 ? "1 pack" : `${packs} packs`} by compaction`);
        changedNothing &&= packs === 0;
      }
      return { did: did.join(", "), changedNothing };
    },
  };
}

function refuses({ kind }: Pick<Symptom, "kind">): boolean {
  return kind === "disk-full";
}

/** They run at their own pace; compaction of what they let go comes after them. */
async function wakeUpkeep(member: LeadingMember | undefined): Promise<string[]> {
  const view = member?.view();
  if (member === undefined || view === undefined) return [];
  const names = UPKEEP.filter((name) => workerBlocked(view, name) === undefined);
  for (const name of names) await member.call("worker.run", { name });
  return names.length === 0 ? [] : [`woke the workers ${names.join(" and ")}`];
}

/** Whether this process, the group that it is confined to, or the machine runs out of memory. */
import type { Fact, Monitor, Subject } from "@hearthmesh/healing";
import { CGROUP_USED_PART_MAX, HEAP_USED_PART_MAX, MACHINE_FREE_PART_MIN } from "./limits.js";
import type { MemoryReadings, MemoryUse } from "./memory-readings.js";
import { mebibytes, percent } from "./text.js";

/** Of the subject that stands for the heap of this process alone. */
export const HEAP_ID = "heap";

export class MemoryMonitor implements Monitor {
  readonly name = "memory";
  readonly #read: () => Promise<MemoryReadings>;

  constructor(read: () => Promise<MemoryReadings>) {
    this.#read = read;
  }

  async look(): Promise<readonly Fact[]> {
    return memoryFacts(await this.#read());
  }
}

/** One for each kind of memory that the system tells of. */
export function memoryFacts({ rssBytes, heap, group, machine }: MemoryReadings): Fact[] {
  const facts = [useFact(named(HEAP_ID, "the daemon's heap"), heap, HEAP_USED_PART_MAX, rssBytes)];
  if (group !== undefined) {
    const subject = named("group", "the daemon's control group");
    facts.push(useFact(subject, group, CGROUP_USED_PART_MAX, rssBytes));
  }
  const subject = named("machine", "this machine");
  if (machine === undefined) {
    const evidence = "the system does not tell how much memory is available";
    facts.push({ symptom: "memory-high", subject, verdict: "unknown", evidence });
    return facts;
  }
  const freePart = machine.availableBytes / machine.totalBytes;
  const evidence =
    `${rounded(freePart)} of ${mebibytes(machine.totalBytes)} is available ` +
    `(mark: ${percent(MACHINE_FREE_PART_MIN)})`;
  const verdict = freePart < MACHINE_FREE_PART_MIN ? "ill" : "well";
  facts.push({
    symptom: "memory-high",
    subject,
    verdict,
    evidence,
    values: { freePart, rssBytes },
  });
  return facts;
}

function useFact(subject: Subject, use: MemoryUse, mark: number, rssBytes: number): Fact {
  const usedPart = use.usedBytes / use.limitBytes;
  const limit = mebibytes(use.limitBytes);
  const evidence = `${rounded(usedPart)} of ${limit} is used (mark: ${percent(mark)})`;
  const verdict = usedPart > mark ? "ill" : "well";
  const values = { usedPart, rssBytes };
  return { symptom: "memory-high", subject, verdict, evidence, values };
}

/** In steps, so that evidence does not change with each look. */
function rounded(part: number): string {
  return percent(Math.round(part * 50) / 50);
}

function named(id: string, name: string): Subject {
  return { type: "memory", id, name };
}

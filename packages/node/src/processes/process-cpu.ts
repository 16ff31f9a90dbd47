/** How long a process has computed, as Linux tells it in /proc/<pid>/stat (proc(5)). */
import { readFile } from "node:fs/promises";

/** Fields 14 and 15, in ticks; the name of the program before them may hold anything but `)`. */
const TICK_MS = 10;
const FIELDS_AFTER_NAME = { user: 11, system: 12 };

/** Undefined where the system does not tell, and of a process that is gone. */
export async function processCpuMs(processId: number): Promise<number | undefined> {
  const text = await readFile(`/proc/${processId}/stat`, "utf8").catch(() => undefined);
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
  const ticks =
    Number(fields?.[FIELDS_AFTER_NAME.user]) + Number(fields?.[FIELDS_AFTER_NAME.system]);
  return Number.isFinite(ticks) ? ticks * TICK_MS : undefined;
}

/** `run/node.json` in a home: where the daemon of this machine answers while it runs. */
import { join } from "node:path";
import { readIfThere } from "./private-files.js";

export interface RunningNode {
  /** The page and the whole API; undefined on a node without a coordinator. */
  readonly httpUrl: string | undefined;
  /** What every node serves on its own machine: health, mesh, services. */
  readonly nodeUrl: string;
  /** `host:port` of the enrolment door, from this machine; undefined without a coordinator. */
  readonly enrolment: string | undefined;
  readonly pid: number;
}

export function runningNodePath(home: string): string {
  return join(home, "run", "node.json");
}

/** What the daemon of this home wrote when it started; undefined when none runs. */
export async function readRunningNode(home: string): Promise<RunningNode | undefined> {
  let content: Partial<RunningNode>;
  try {
    content = JSON.parse((await readIfThere(runningNodePath(home))) ?? "null") ?? {};
  } catch {
    return undefined;
  }
  const { httpUrl, nodeUrl, enrolment, pid } = content;
  if (typeof nodeUrl !== "string" || typeof pid !== "number" || !isAlive(pid)) return undefined;
  const textOf = (value: unknown) => (typeof value === "string" ? value : undefined);
  return { httpUrl: textOf(httpUrl), nodeUrl, enrolment: textOf(enrolment), pid };
}

function isAlive(pid: number): boolean {
  try {
    // Signal 0 only asks whether the process exists.
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

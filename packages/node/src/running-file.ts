/**
 * `run/node.json`: where the commands on this machine find the daemon. Gone when it has stopped.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { readIfThere, writePrivate } from "@hearthmesh/client/private-files";
import type { Startable } from "@hearthmesh/core";

export interface RunningContent {
  /** The page and the whole API; undefined on a node without a coordinator. */
  httpUrl: string | undefined;
  /** What every node serves on its own machine: health, mesh, services. */
  nodeUrl: string;
  /** `host:port` of the enrolment door, from this machine; undefined without a coordinator. */
  enrolment?: string | undefined;
  pid: number;
}

export class RunningFile implements Startable {
  readonly name = "running file";
  readonly #path: string;
  readonly #content: RunningContent;

  constructor(path: string, content: RunningContent) {
    this.#path = path;
    this.#content = content;
  }

  async start(): Promise<void> {
    await writePrivate(this.#path, JSON.stringify(this.#content));
  }

  async stop(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}

/** What the daemon of this home wrote; undefined when none runs. */
export async function readRunning(home: string): Promise<RunningContent | undefined> {
  const text = await readIfThere(join(home, "run", "node.json"));
  if (text === undefined) return undefined;
  let content: Partial<RunningContent>;
  try {
    content = JSON.parse(text);
  } catch {
    // Being written at this moment.
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

/**
 * One daemon per directory. The lock is a file with the holder's process id, its start time and the
 * machine's boot id: a crash or a restart of the machine leaves a lock that is seen to be stale.
 */
import { readFileSync } from "node:fs";
import { mkdir, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { MeshError } from "@hearthmesh/core";

interface Holder {
  pid: number;
  /** Distinguishes two processes that had the same id; empty where the system does not tell. */
  startedAt: string;
  bootId: string;
}

export interface HomeLock {
  release(): Promise<void>;
}

/** Takes the lock of `home`. Throws `MESH_HOME_IN_USE` with the holder's process id. */
export async function lockHome(home: string): Promise<HomeLock> {
  const folder = join(home, "run");
  const path = join(folder, "lock");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const file = await open(path, "wx", 0o600);
      await file.writeFile(JSON.stringify(describeProcess(process.pid)));
      await file.close();
      return { release: () => rm(path, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = await readHolder(path);
    if (holder !== undefined && isAlive(holder)) {
      throw new MeshError("MESH_HOME_IN_USE", {
        message: `${home} is in use by process ${holder.pid}`,
        details: { pid: holder.pid },
      });
    }
    await rm(path, { force: true });
  }
  throw new MeshError("MESH_HOME_IN_USE", { message: `${home} is being taken by another process` });
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Holder;
  } catch {
    // Empty or torn: its writer died between making the file and filling it.
    return undefined;
  }
}

function isAlive(holder: Holder): boolean {
  // A container that restarts gets the same process id again: the id alone proves nothing.
  if (holder.pid === process.pid) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const now = describeProcess(holder.pid);
  return now.bootId === holder.bootId && now.startedAt === holder.startedAt;
}

/** What a lock says about a process. */
export function describeProcess(pid: number): Holder {
  return { pid, startedAt: startTime(pid), bootId: bootId() };
}

/**
 * Field 22 of /proc/<pid>/stat (proc(5)): clock ticks between boot and the start of the process.
 */
function startTime(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}

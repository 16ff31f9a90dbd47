/**
 * How much memory there is and who uses it, as the system tells: the heap of this process, the
 * control group that it runs in (cgroup v2 `memory.max` and v1 `memory.limit_in_bytes`, see the
 * kernel's admin-guide/cgroup-v2), and the machine (`MemAvailable` of proc(5)). What is not told is
 * left out.
 */
import { readFile } from "node:fs/promises";
import { posix } from "node:path";
import { getHeapStatistics } from "node:v8";

export interface MemoryUse {
  readonly usedBytes: number;
  readonly limitBytes: number;
}

export interface MemoryReadings {
  readonly rssBytes: number;
  /** Of the JavaScript heap. */
  readonly heap: MemoryUse;
  /** The tightest of the groups around this process; without what can be dropped at once. */
  readonly group?: MemoryUse;
  readonly machine?: { readonly availableBytes: number; readonly totalBytes: number };
}

/** Reads a file of the system; undefined when it is not there. */
export type ReadText = (path: string) => Promise<string | undefined>;

export async function readMemory(read: ReadText = readSystemFile): Promise<MemoryReadings> {
  const heap = getHeapStatistics();
  const [group, machine] = await Promise.all([readGroup(read), readMachine(read)]);
  return {
    rssBytes: process.memoryUsage.rss(),
    heap: { usedBytes: heap.used_heap_size, limitBytes: heap.heap_size_limit },
    ...(group === undefined ? {} : { group }),
    ...(machine === undefined ? {} : { machine }),
  };
}

async function readMachine(read: ReadText): Promise<MemoryReadings["machine"]> {
  const text = await read("/proc/meminfo");
  const kibibytes = (field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text ?? "")?.[1]);
  const availableBytes = kibibytes("MemAvailable") * 1024;
  const totalBytes = kibibytes("MemTotal") * 1024;
  return Number.isFinite(availableBytes) && totalBytes > 0
    ? { availableBytes, totalBytes }
    : undefined;
}

async function readGroup(read: ReadText): Promise<MemoryUse | undefined> {
  const text = (await read("/proc/self/cgroup")) ?? "";
  const v2 = /^0::(\/.*)$/m.exec(text)?.[1];
  const v1 = /^\d+:(?:[^:\n]*,)?memory(?:,[^:\n]*)?:(\/.*)$/m.exec(text)?.[1];
  const groups =
    v1 === undefined
      ? await Promise.all(above(v2 ?? "/").map((path) => readV2(read, `/sys/fs/cgroup${path}`)))
      : await Promise.all(above(v1).map((path) => readV1(read, `/sys/fs/cgroup/memory${path}`)));
  const limited = groups.filter((group) => group !== undefined);
  return limited.sort((a, b) => b.usedBytes / b.limitBytes - a.usedBytes / a.limitBytes)[0];
}

/** The path and its parents, without a slash at the end: a limit of any of them holds. */
function above(path: string): string[] {
  const own = posix.normalize(path).replace(/\/$/, "");
  const all = [own];
  for (let at = own; at !== "" && at !== "."; ) {
    at = at.slice(0, at.lastIndexOf("/"));
    all.push(at);
  }
  return all;
}

function readV2(read: ReadText, folder: string): Promise<MemoryUse | undefined> {
  return readUse(read, `${folder}/memory.max`, `${folder}/memory.current`, `${folder}/memory.stat`);
}

function readV1(read: ReadText, folder: string): Promise<MemoryUse | undefined> {
  const file = (name: string) => `${folder}/memory.${name}`;
  return readUse(read, file("limit_in_bytes"), file("usage_in_bytes"), file("stat"));
}

async function readUse(
  read: ReadText,
  limitPath: string,
  usedPath: string,
  statPath: string,
): Promise<MemoryUse | undefined> {
  const limitBytes = Number((await read(limitPath))?.trim() || Number.NaN);
  // "max", or the largest number there is, is no limit.
  if (!Number.isFinite(limitBytes) || limitBytes <= 0 || limitBytes > 2 ** 60) return undefined;
  const usedBytes = Number((await read(usedPath))?.trim() || Number.NaN);
  if (!Number.isFinite(usedBytes)) return undefined;
  const stat = (await read(statPath)) ?? "";
  // Pages of files that nobody used lately: the kernel drops them before it kills.
  const droppable = Number(/^(?:total_)?inactive_file (\d+)$/m.exec(stat)?.[1] ?? 0);
  return { usedBytes: Math.max(0, usedBytes - droppable), limitBytes };
}

async function readSystemFile(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(() => undefined);
}

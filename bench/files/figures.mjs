/** What the parts of the file benchmark share: medians, rows of a table, memory of processes. */
import { readFileSync, statfsSync, writeFileSync } from "node:fs";

export const median = (values) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(0)} MB/s`;
export const met = (yes) => (yes ? "met" : "**not met**");
export const row = (...cells) => `| ${cells.join(" | ")} |`;

export async function* once(content) {
  yield content;
}

/** Seconds that the work takes, by the steady clock. */
export async function secondsOf(work) {
  const startedMs = performance.now();
  await work();
  return (performance.now() - startedMs) / 1000;
}

/** Bytes of a stream, thrown away as they come. */
export async function bytesReceived(stream) {
  let bytes = 0;
  for await (const piece of stream) bytes += piece.length;
  return bytes;
}

function statusLine(pid, name) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const kib = new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1];
    return kib === undefined ? undefined : Number(kib) / 1024;
  } catch {
    return undefined;
  }
}

/** Memory of a process now, in MB (2^20); undefined where the system does not tell. */
export const residentMegabytes = (pid) => statusLine(pid, "VmRSS");

/** The most that it had since `forgetPeaks`. */
export const peakMegabytes = (pid) => statusLine(pid, "VmHWM");

export function forgetPeaks(pids) {
  for (const pid of pids) {
    try {
      writeFileSync(`/proc/${pid}/clear_refs`, "5");
    } catch {
      // Then the peak since its start counts, which is only stricter.
    }
  }
}

export function freeBytes(folder) {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

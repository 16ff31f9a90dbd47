/**
 * What etcd says: every line goes to its log file, and the last warnings and errors are kept, so
 * that a message can tell in etcd's own words why it does not run. etcd writes JSON lines (zap);
 * before it has read its flags, and when it panics, it writes plain text.
 */
import {
  ETCD_COMPLAINTS_KEPT_MAX,
  ETCD_LOG_BYTES_MAX,
  ETCD_LOG_FILES_KEPT,
  ETCD_LOG_LINE_BYTES_MAX,
} from "./limits.js";
import { RotatingLog } from "./rotating-log.js";

const COMPLAINT_LENGTH_MAX = 300;

export class EtcdOutput {
  readonly #file: RotatingLog;
  #complaints: string[] = [];
  #rest = "";

  constructor(path: string) {
    this.#file = new RotatingLog({
      path,
      bytesMax: ETCD_LOG_BYTES_MAX,
      filesKept: ETCD_LOG_FILES_KEPT,
    });
  }

  get complaints(): readonly string[] {
    return this.#complaints;
  }

  take(bytes: Buffer): void {
    this.#file.write(bytes);
    const lines = `${this.#rest}${bytes.toString("utf8")}`.split("\n");
    this.#rest = (lines.pop() ?? "").slice(0, ETCD_LOG_LINE_BYTES_MAX);
    for (const line of lines) this.#listen(line);
  }

  clearComplaints(): void {
    this.#complaints = [];
    this.#rest = "";
  }

  close(): void {
    this.#file.close();
  }

  #listen(line: string): void {
    const complaint = complaintOf(line);
    if (complaint === undefined) return;
    this.#complaints = [...this.#complaints, complaint].slice(-ETCD_COMPLAINTS_KEPT_MAX);
  }
}

/** The text of an error that etcd reports; undefined for everything else it says. */
export function complaintOf(line: string): string | undefined {
  const text = line.startsWith("{") ? jsonComplaint(line) : plainComplaint(line);
  return text?.slice(0, COMPLAINT_LENGTH_MAX);
}

function jsonComplaint(line: string): string | undefined {
  try {
    const { level, msg, error } = JSON.parse(line) as Record<string, unknown>;
    if (!["error", "panic", "dpanic", "fatal"].includes(String(level))) return undefined;
    return typeof error === "string" ? `${String(msg)}: ${error}` : String(msg);
  } catch {
    return undefined;
  }
}

function plainComplaint(line: string): string | undefined {
  return /^(panic|fatal error|error verifying flags|etcd: )/.test(line) ? line : undefined;
}

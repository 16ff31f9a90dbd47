/**
 * Complaints in what etcd says. It writes JSON lines (zap); before it has read its flags, and when
 * it panics, it writes plain text.
 */

/** The text of an error that etcd reports; undefined for everything else it says. */
export function complaintOf(line: string): string | undefined {
  return line.startsWith("{") ? jsonComplaint(line) : plainComplaint(line);
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

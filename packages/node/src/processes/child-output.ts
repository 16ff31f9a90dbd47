/**
 * What a child says: every line goes to its log file, and the last complaints are kept, so that a
 * message can tell in the program's own words why it does not run.
 */
import {
  CHILD_COMPLAINT_LENGTH_MAX,
  CHILD_COMPLAINTS_KEPT_MAX,
  CHILD_LOG_BYTES_MAX,
  CHILD_LOG_FILES_KEPT,
  CHILD_LOG_LINE_BYTES_MAX,
} from "./limits.js";
import { RotatingLog } from "./rotating-log.js";

/** The text of an error that a line reports; undefined for everything else. */
export type ComplaintOf = (line: string) => string | undefined;

export class ChildOutput {
  readonly #file: RotatingLog;
  readonly #complaintOf: ComplaintOf;
  #complaints: string[] = [];
  #rest = "";

  constructor(path: string, complaintOf: ComplaintOf) {
    this.#complaintOf = complaintOf;
    this.#file = new RotatingLog({
      path,
      bytesMax: CHILD_LOG_BYTES_MAX,
      filesKept: CHILD_LOG_FILES_KEPT,
    });
  }

  /** Oldest first. */
  get complaints(): readonly string[] {
    return this.#complaints;
  }

  take(bytes: Buffer): void {
    this.#file.write(bytes);
    const lines = `${this.#rest}${bytes.toString("utf8")}`.split("\n");
    this.#rest = (lines.pop() ?? "").slice(0, CHILD_LOG_LINE_BYTES_MAX);
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
    const complaint = this.#complaintOf(line)?.slice(0, CHILD_COMPLAINT_LENGTH_MAX);
    if (complaint === undefined) return;
    this.#complaints = [...this.#complaints, complaint].slice(-CHILD_COMPLAINTS_KEPT_MAX);
  }
}

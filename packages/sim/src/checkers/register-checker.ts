/**
 * Checks the history of one path that several clients write and read at the same time. Every
 * version is written once, so a read names the write it saw; the read is legal when some order of
 * the operations, in which each takes effect between its call and its answer, explains it.
 *
 * This is the interval test for registers with unique values (Gibbons and Korach, "Testing shared
 * memories", 1997): it finds lost, stale and invented values without searching through orders.
 */
export interface RegisterWrite {
  readonly version: string;
  readonly calledAtMs: number;
  /** Undefined: no answer came, and it may take effect at any time later. */
  readonly answeredAtMs: number | undefined;
}

export interface RegisterRead {
  readonly reader: string;
  /** Undefined: there was no file. */
  readonly version: string | undefined;
  readonly calledAtMs: number;
  readonly answeredAtMs: number;
}

export interface RegisterHistory {
  readonly path: string;
  readonly writes: readonly RegisterWrite[];
  readonly reads: readonly RegisterRead[];
}

export function checkRegister(history: RegisterHistory): string[] {
  return history.reads.flatMap((read) => {
    const problem = problemOf(read, history.writes);
    return problem === undefined ? [] : [`${history.path}: ${read.reader} ${problem}`];
  });
}

function problemOf(read: RegisterRead, writes: readonly RegisterWrite[]): string | undefined {
  const isSettledBefore = (write: RegisterWrite, ms: number) =>
    write.answeredAtMs !== undefined && write.answeredAtMs < ms;
  if (read.version === undefined) {
    const lost = writes.find((write) => isSettledBefore(write, read.calledAtMs));
    return lost && `found no file although ${lost.version} had been written`;
  }
  const source = writes.find((write) => write.version === read.version);
  if (source === undefined) return `read ${read.version}, which nobody wrote`;
  if (source.calledAtMs > read.answeredAtMs) return `read ${read.version} before it was written`;
  const newer = writes.find(
    (write) =>
      write !== source &&
      source.answeredAtMs !== undefined &&
      write.calledAtMs > source.answeredAtMs &&
      isSettledBefore(write, read.calledAtMs),
  );
  return newer && `read ${read.version} although ${newer.version} had replaced it`;
}

/** A script of this folder as a process that answers each line of JSON with one. */
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export function supportScript(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
}

/** What the script threw. */
class ChildError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export class JsonChild {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #nextId = 1;
  #stderr = "";

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    createInterface({ input: child.stdout }).on("line", (line) => {
      const answer = JSON.parse(line) as Answer;
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
    child.stderr.on("data", (text) => {
      this.#stderr += text;
    });
    child.stdin.on("error", () => {});
    child.once("close", () => {
      const error = { code: "CHILD_ENDED", message: `the process ended: ${this.#stderr}` };
      for (const [id, settle] of this.#waiting) settle({ id, error });
      this.#waiting.clear();
    });
  }

  /** Rejects with a `ChildError`. */
  async ask<T>(operation: string, details: object = {}): Promise<T> {
    const id = this.#nextId++;
    const answer = await new Promise<Answer>((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.stdin.write(`${JSON.stringify({ id, operation, ...details })}\n`);
    });
    if (answer.error !== undefined) throw new ChildError(answer.error.code, answer.error.message);
    return answer.value as T;
  }

  async close(): Promise<void> {
    await endOf(this.#child, () => this.#child.kill("SIGKILL"));
  }
}

/** Resolves when the process is gone; `end` is what ends it. */
export async function endOf(
  child: {
    readonly exitCode: number | null;
    readonly signalCode: string | null;
    once(event: "exit", listener: () => void): unknown;
  },
  end: () => void,
): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  end();
  await gone;
}

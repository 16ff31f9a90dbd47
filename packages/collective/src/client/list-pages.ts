/** The pages of a directory, one ahead: the next is on its way while this one is used. */
import type { FileListResponse } from "../protocol.js";
import type { Entry } from "../types.js";
import { checkAnswer } from "./file-calls.js";

export interface PageQuestion {
  /** Name after which the page begins; absent for the first. */
  readonly after?: string;
  readonly signal: AbortSignal;
}

/** `MESH_PROTOCOL` when pages go on without an end. */
export async function* listPages(
  ask: (question: PageQuestion) => Promise<FileListResponse>,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly Entry[], void, undefined> {
  // Whoever leaves in the middle does not wait for the page that is on its way.
  const stop = new AbortController();
  const both = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  try {
    let after: string | undefined;
    let next: Promise<FileListResponse> | undefined = ask({ signal: both });
    while (next !== undefined) {
      const page: FileListResponse = await next;
      const last = page.entries.at(-1)?.name;
      checkAnswer(!page.more || last !== after, "repeats a page of the listing");
      after = last;
      next = page.more && last !== undefined ? ask({ after: last, signal: both }) : undefined;
      // Its failure is that of the next turn, which may never come.
      next?.catch(() => undefined);
      yield page.entries;
    }
  } finally {
    stop.abort(new Error("the listing was left"));
  }
}

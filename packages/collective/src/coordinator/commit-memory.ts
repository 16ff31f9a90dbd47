/**
 * Uploads that were committed a short while ago, so that a commit whose answer was lost can be
 * repeated. Memory is enough: after a restart a client finds its file at the path.
 */
import { type FileId, limits } from "@hearthmesh/core";
import type { Entry } from "../types.js";

export class CommitMemory {
  readonly #commits = new Map<FileId, { owner: string; entry: Entry }>();

  add(fileId: FileId, owner: string, entry: Entry): void {
    this.#commits.set(fileId, { owner, entry });
    if (this.#commits.size <= limits.COMMITS_REMEMBERED_MAX) return;
    const oldest = this.#commits.keys().next();
    if (!oldest.done) this.#commits.delete(oldest.value);
  }

  find(fileId: FileId, owner: string): Entry | undefined {
    const commit = this.#commits.get(fileId);
    return commit?.owner === owner ? commit.entry : undefined;
  }
}

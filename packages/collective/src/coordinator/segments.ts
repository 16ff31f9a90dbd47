/** The chunk ids of a long file, which are in rows of their own. */
import type { ChunkId, FileId } from "@hearthmesh/core";
import type { Store } from "@hearthmesh/store";
import { pagesOfPrefix } from "../key-value/pages.js";
import { keys } from "./keys.js";
import { decodeSegment } from "./records.js";

export interface SegmentOptions {
  /** Rows of one page. */
  readonly limit?: number;
  /** As of this revision; without it as it was when the first page was read. */
  readonly revision?: number;
}

/** In their order, page by page. */
export async function* segmentsOf(
  store: Store,
  fileId: FileId,
  options: SegmentOptions = {},
): AsyncGenerator<readonly ChunkId[], void, undefined> {
  for await (const page of pagesOfPrefix(store, keys.segments(fileId).prefix, options)) {
    yield page.entries.flatMap(({ value }) => decodeSegment(value));
  }
}

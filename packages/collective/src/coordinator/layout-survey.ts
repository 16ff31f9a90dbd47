/** Reads the chunks that a preview of the layout is made from: all of them, or a fair sample. */
import { type ChunkId, type Clock, limits, sleep } from "@hearthmesh/core";
import type { Store } from "@hearthmesh/store";
import { chunkOfReference } from "./keys.js";
import { type LayoutPreview, type PreviewInput, PreviewTally } from "./layout-preview.js";
import { decodeReference } from "./records.js";
import { pagesOf } from "./store-helpers.js";

const PAGE_ROWS = 1000;
/** Hexadecimal digits of an id that say where in the id space it is. */
const PLACE_DIGITS = 12;

export interface SurveyOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Rest after each page, to leave others their turn. */
  readonly pauseMs: number;
  /** Chunks to look at; default `LAYOUT_PREVIEW_CHUNKS_MAX`. */
  readonly chunksMax?: number;
}

export async function previewLayout(
  options: SurveyOptions,
  input: PreviewInput,
): Promise<LayoutPreview> {
  const { store, clock, pauseMs, chunksMax = limits.LAYOUT_PREVIEW_CHUNKS_MAX } = options;
  const tally = new PreviewTally(input);
  let last: ChunkId | undefined;
  for await (const rows of pagesOf(store, "r", { limit: PAGE_ROWS })) {
    for (const row of rows) {
      const id = chunkOfReference(row.key);
      if (id === last) continue;
      if (tally.chunksLookedAt >= chunksMax) return tally.result(shareBelow(id));
      tally.see(id, decodeReference(row.value).sizeBytes);
      last = id;
    }
    if (pauseMs > 0) await sleep(clock, pauseMs);
  }
  return tally.result(1);
}

/** The part of all ids that comes before this one. Never 0. */
function shareBelow(id: ChunkId): number {
  const place = Number.parseInt(id.slice(0, PLACE_DIGITS), 16) + 1;
  return place / 16 ** PLACE_DIGITS;
}

/** What was removed and can still be had back. */
import { limits } from "@hearthmesh/core";
import { z } from "zod";
import { Flag, TimeMs } from "./common.js";
import type { Endpoint } from "./endpoint.js";
import { EntryView } from "./files.js";

const Id = z.string().max(44).describe("Of the entry in the trash");
const Path = z.string().min(1).describe("What lay there or below; default everything");

export const TrashEntryView = z
  .lazy(() =>
    z.object({
      id: z.string(),
      path: z.string().describe("Where it lay"),
      name: z.string(),
      kind: z.enum(["file", "directory"]),
      sizeBytes: z.number().describe("0 for a directory"),
      owner: z.string(),
      modifiedAtMs: TimeMs,
      deletedAtMs: TimeMs,
      deletedBy: z.string().describe("SPIFFE id of who removed it"),
      endsAtMs: TimeMs.nullable().describe("When it goes for good; null: not by itself"),
    }),
  )
  .meta({ id: "TrashEntry" });
export type TrashEntryView = z.infer<typeof TrashEntryView>;

export const TrashListQuery = z.lazy(() =>
  z.object({
    path: Path.exactOptional(),
    after: Id.exactOptional().describe("`next` of the page before"),
    limit: z.coerce.number().int().min(1).max(limits.LIST_PAGE_ENTRIES_MAX).exactOptional(),
  }),
);

export const TrashListResponse = z
  .lazy(() =>
    z.object({
      entries: z.array(TrashEntryView).describe("Newest first"),
      next: z.string().nullable().describe("null at the end"),
    }),
  )
  .meta({ id: "Trash" });
export type TrashListResponse = z.infer<typeof TrashListResponse>;

export const TrashRestoreRequest = z.lazy(() =>
  z
    .object({
      id: Id,
      to: z.string().min(1).exactOptional().describe("Default: where it lay"),
      parents: z.boolean().exactOptional().describe("Makes directories that are missing"),
    })
    .strict(),
);
export type TrashRestoreRequest = z.infer<typeof TrashRestoreRequest>;

export const TrashRestoreResponse = z.lazy(() => z.object({ entry: EntryView }));
export type TrashRestoreResponse = z.infer<typeof TrashRestoreResponse>;

/** One of `id`, `path` and `all` says what. */
export const TrashEmptyQuery = z.lazy(() =>
  z.object({
    id: Id.exactOptional(),
    path: Path.exactOptional(),
    beforeMs: z.coerce
      .number()
      .int()
      .min(0)
      .exactOptional()
      .describe("Only what was removed before"),
    all: Flag.exactOptional(),
  }),
);

export const TrashEmptyResponse = z.lazy(() =>
  z.object({
    emptied: z.number().int().describe("Entries that are gone for good"),
  }),
);
export type TrashEmptyResponse = z.infer<typeof TrashEmptyResponse>;

export const TRASH_ENDPOINTS = {
  trash: {
    method: "GET",
    path: "/api/trash",
    tag: "files",
    summary: "What was removed, as far as the caller may delete it",
    query: TrashListQuery,
    response: TrashListResponse,
  },
  restoreTrash: {
    method: "POST",
    path: "/api/trash/restore",
    tag: "files",
    summary: "Bring something back, to where it lay or elsewhere",
    body: TrashRestoreRequest,
    response: TrashRestoreResponse,
  },
  emptyTrash: {
    method: "DELETE",
    path: "/api/trash",
    tag: "files",
    summary: "Let things go for good",
    query: TrashEmptyQuery,
    response: TrashEmptyResponse,
  },
} as const satisfies Record<string, Endpoint>;

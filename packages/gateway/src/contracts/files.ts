/** Files and directories. Paths travel in the query, percent-encoded: `?path=%2Fshared%2Fa.txt`. */
import { limits } from "@hearthmesh/core";
import { z } from "zod";
import { Flag, TimeMs } from "./common.js";

/**
 * Only the presence of a path is checked here: the coordinator owns the rules of paths and answers
 * with `MESH_PATH_INVALID` or `MESH_PATH_TOO_LONG`.
 */
const Path = z.string().min(1).describe("Absolute path, such as /shared/photos/a.jpg");

export const EntryView = z
  .lazy(() =>
    z.object({
      path: z.string(),
      name: z.string(),
      kind: z.enum(["file", "directory"]),
      fileId: z.string(),
      sizeBytes: z.number(),
      createdAtMs: TimeMs,
      modifiedAtMs: TimeMs,
      owner: z.string().describe("SPIFFE id of who wrote it last"),
      etag: z.string().describe("Changes with every write; without quotes"),
    }),
  )
  .meta({ id: "Entry" });
export type EntryView = z.infer<typeof EntryView>;

export const FilePathQuery = z.lazy(() => z.object({ path: Path }));
export type FilePathQuery = z.infer<typeof FilePathQuery>;

export const FileEntryResponse = z.lazy(() => z.object({ entry: EntryView }));
export type FileEntryResponse = z.infer<typeof FileEntryResponse>;

export const FileListQuery = z.lazy(() =>
  z.object({
    path: Path,
    after: z.string().exactOptional().describe("Name after which to go on"),
    limit: z.coerce.number().int().min(1).max(limits.LIST_PAGE_ENTRIES_MAX).exactOptional(),
  }),
);
/** What a caller sends. */
export type FileListQuery = { path: string; after?: string; limit?: number };

export const FileListResponse = z.lazy(() =>
  z.object({ entries: z.array(EntryView), more: z.boolean() }),
);
export type FileListResponse = z.infer<typeof FileListResponse>;

export const FileMakeDirectoryRequest = z.lazy(() =>
  z.object({ path: Path, parents: z.boolean().exactOptional() }).strict(),
);
export type FileMakeDirectoryRequest = z.infer<typeof FileMakeDirectoryRequest>;

export const FileMakeDirectoryResponse = z.lazy(() => z.object({ path: z.string() }));
export type FileMakeDirectoryResponse = z.infer<typeof FileMakeDirectoryResponse>;

export const FileMoveRequest = z.lazy(() =>
  z.object({ from: Path, to: Path, overwrite: z.boolean().exactOptional() }).strict(),
);
export type FileMoveRequest = z.infer<typeof FileMoveRequest>;

export const FileMoveResponse = z.lazy(() => z.object({ from: z.string(), to: z.string() }));
export type FileMoveResponse = z.infer<typeof FileMoveResponse>;

/** With the header `If-Match`: only when the entry has not changed. */
export const FileRemoveQuery = z.lazy(() =>
  z.object({
    path: Path,
    recursive: Flag.exactOptional(),
    permanent: Flag.exactOptional().describe("It does not go to the trash"),
  }),
);
/** What a caller sends. */
export type FileRemoveQuery = { path: string; recursive?: boolean; permanent?: boolean };

export const FileRemoveResponse = z.lazy(() =>
  z.object({
    removed: z.number().int().describe("Entries that are gone"),
  }),
);
export type FileRemoveResponse = z.infer<typeof FileRemoveResponse>;

/**
 * Reading knows the headers `Range` (one range of bytes), `If-Range`, `If-None-Match`; writing
 * takes the bytes as the body and knows `If-Match` and `If-None-Match: *` (must not exist yet).
 */
export const FileReadQuery = z.lazy(() =>
  z.object({
    path: Path,
    download: Flag.exactOptional().describe("Answer as an attachment, for saving"),
  }),
);
/** What a caller sends. */
export type FileReadQuery = { path: string; download?: boolean };

export const FileWriteResponse = z.lazy(() => z.object({ entry: EntryView }));
export type FileWriteResponse = z.infer<typeof FileWriteResponse>;

/**
 * The files of the first page. They lie beside `dist` and `src` in the package, are read once at
 * the start and served from memory.
 */

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";

export interface PageFile {
  readonly contentType: string;
  readonly bytes: Buffer;
  readonly etag: string;
}

/** What is served, and nothing else: the page itself, then what it loads from `/assets/`. */
const FILE_NAMES = [
  "index.html",
  "page.css",
  "page.js",
  "api.js",
  "dom.js",
  "files.js",
  "healing.js",
  "invites.js",
  "mesh.js",
  "nodes.js",
  "overview.js",
  "uploads.js",
] as const;

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
};

/** This file is two folders below the package, in `src/page` as in `dist/page`. */
const FOLDER = new URL("../../public/", import.meta.url);

/** By the path under which each is served. */
export async function readPageFiles(folder: URL = FOLDER): Promise<ReadonlyMap<string, PageFile>> {
  const files = FILE_NAMES.map(async (name): Promise<[string, PageFile]> => {
    const bytes = await readFile(new URL(name, folder));
    const etag = createHash("sha256").update(bytes).digest("hex").slice(0, 32);
    const contentType = CONTENT_TYPES[name.slice(name.lastIndexOf(".") + 1)] ?? "";
    return [name === "index.html" ? "/" : `/assets/${name}`, { contentType, bytes, etag }];
  });
  return new Map(await Promise.all(files));
}

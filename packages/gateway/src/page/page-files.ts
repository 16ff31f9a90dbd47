/**
 * The files of the first page. They lie beside `dist` and `src` in the package, are read once at the
 * start and served from memory.
 */

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";

export interface PageFile {
  readonly contentType: string;
  readonly bytes: Buffer;
  readonly etag: string;
}

const FILES = {
  "index.html": "text/html; charset=utf-8",
  "page.css": "text/css; charset=utf-8",
  "page.js": "text/javascript; charset=utf-8",
} as const;

export type PageFileName = keyof typeof FILES;
export type PageFiles = Readonly<Record<PageFileName, PageFile>>;

/** This file is two folders below the package, in `src/page` as in `dist/page`. */
const FOLDER = new URL("../../public/", import.meta.url);

export async function readPageFiles(folder: URL = FOLDER): Promise<PageFiles> {
  const [html, css, js] = await Promise.all([
    readPageFile(folder, "index.html"),
    readPageFile(folder, "page.css"),
    readPageFile(folder, "page.js"),
  ]);
  return { "index.html": html, "page.css": css, "page.js": js };
}

async function readPageFile(folder: URL, name: PageFileName): Promise<PageFile> {
  const bytes = await readFile(new URL(name, folder));
  const etag = `"${createHash("sha256").update(bytes).digest("hex").slice(0, 32)}"`;
  return { contentType: FILES[name], bytes, etag };
}

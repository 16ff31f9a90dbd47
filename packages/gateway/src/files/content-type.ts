/**
 * Content types by a name's extension, and how a browser may treat what people stored. A type that
 * a browser would run or render as a document (HTML, SVG, scripts, styles, XML, PDF) is never
 * named: such a file comes as unknown bytes, to be saved.
 */
const VIEWABLE_TYPES: Readonly<Record<string, string>> = {
  txt: "text/plain; charset=utf-8",
  md: "text/plain; charset=utf-8",
  log: "text/plain; charset=utf-8",
  csv: "text/plain; charset=utf-8",
  json: "text/plain; charset=utf-8",
  yaml: "text/plain; charset=utf-8",
  yml: "text/plain; charset=utf-8",
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  avif: "image/avif",
  bmp: "image/bmp",
  mp3: "audio/mpeg",
  m4a: "audio/mp4",
  ogg: "audio/ogg",
  opus: "audio/ogg",
  flac: "audio/flac",
  wav: "audio/wav",
  mp4: "video/mp4",
  m4v: "video/mp4",
  webm: "video/webm",
};

const UNKNOWN_TYPE = "application/octet-stream";

export interface FileHeadersOptions {
  readonly name: string;
  readonly etag: string;
  /** Always as an attachment. */
  readonly download: boolean;
}

/** Headers under which stored bytes are safe in the origin of the page. */
export function fileHeaders({ name, etag, download }: FileHeadersOptions): Record<string, string> {
  const extension = /\.([a-z0-9]{1,8})$/i.exec(name)?.[1]?.toLowerCase() ?? "";
  const viewable = Object.hasOwn(VIEWABLE_TYPES, extension) ? VIEWABLE_TYPES[extension] : undefined;
  const disposition = download || viewable === undefined ? "attachment" : "inline";
  return {
    "content-type": viewable ?? UNKNOWN_TYPE,
    "content-disposition": `${disposition}; ${filenameParameters(name)}`,
    "content-security-policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "accept-ranges": "bytes",
    etag: `"${etag}"`,
    // Anybody's copy must be asked for again: grants may have changed since.
    "cache-control": "private, no-cache",
  };
}

/** RFC 6266: a plain name for old programs, and the exact one as RFC 8187 writes it. */
function filenameParameters(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, "_");
  const exact = encodeURIComponent(wellFormed(name)).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `filename="${plain}"; filename*=UTF-8''${exact}`;
}

/** Half a surrogate pair, which cannot be encoded, becomes the replacement character. */
function wellFormed(text: string): string {
  return Buffer.from(text, "utf8").toString("utf8");
}

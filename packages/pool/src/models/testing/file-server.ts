/** A real HTTP server on 127.0.0.1 that gives one file, well or badly, as the test says. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type FileFault =
  | "none"
  /** Breaks the connection after so many bytes of each answer. */
  | { cutAfterBytes: number }
  /** Says this size and sends the file. */
  | { saidBytes: number }
  | { status: number }
  | { redirectTo: string }
  | "silent"
  /** Knows no ranges, and says nothing about versions. */
  | "plain";

export interface SeenDownload {
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly authorization: string | undefined;
  readonly path: string;
}

export class FileServer {
  readonly seen: SeenDownload[] = [];
  content: Uint8Array;
  etag = '"one"';
  fault: FileFault = "none";
  readonly #server: Server;

  constructor(content: Uint8Array) {
    this.content = content;
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get url(): URL {
    return new URL("/models/tiny.gguf", this.origin);
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer({ headers, url }: IncomingMessage, response: ServerResponse): void {
    const { range, authorization } = headers;
    const ifRange = headers["if-range"] as string | undefined;
    this.seen.push({ range, ifRange, authorization, path: url ?? "" });
    const { fault, content, etag } = this;
    if (fault === "silent") return;
    if (typeof fault === "object" && "status" in fault) {
      response.writeHead(fault.status).end();
      return;
    }
    if (typeof fault === "object" && "redirectTo" in fault) {
      response.writeHead(302, { location: fault.redirectTo }).end();
      return;
    }
    if (fault === "plain") {
      response.writeHead(200, { "content-length": content.length }).end(content);
      return;
    }
    if (typeof fault === "object" && "saidBytes" in fault) {
      // Chunked or cut by hand: a correct server would not let this out.
      response.socket?.write(
        `HTTP/1.1 200 OK\r\ncontent-length: ${fault.saidBytes}\r\nconnection: close\r\n\r\n`,
      );
      response.socket?.end(content);
      return;
    }
    const isSame = ifRange === undefined || ifRange === etag;
    const from = isSame ? Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0) : 0;
    if (from >= content.length && from > 0) {
      response.writeHead(416, { "content-range": `bytes */${content.length}` }).end();
      return;
    }
    const body = content.subarray(from);
    const whole = { etag, "content-length": body.length };
    const part = { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` };
    response.writeHead(from > 0 ? 206 : 200, from > 0 ? { ...whole, ...part } : whole);
    if (fault === "none") {
      response.end(body);
      return;
    }
    response.write(body.subarray(0, fault.cutAfterBytes), () => {
      if (fault.cutAfterBytes < body.length) setTimeout(() => response.destroy(), 20);
      else response.end();
    });
  }
}

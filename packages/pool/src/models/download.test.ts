/** Downloads from a real server that breaks, lies and leads elsewhere. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MeshError, silentLogger, systemClock } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Download, type DownloadOptions } from "./download.js";
import { parseModelUrl, sourceOf } from "./download-request.js";
import { FileServer } from "./testing/file-server.js";

const CONTENT = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 251));

let server: FileServer;
let directory: string;
let path: string;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "hearthmesh-download-"));
  path = join(directory, "model.part");
  server = new FileServer(CONTENT);
  await server.start();
});
afterEach(async () => {
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

function download(more: Partial<DownloadOptions> = {}, signal = new AbortController().signal) {
  return Download.run(
    {
      ...{ url: server.url, path, bytesMax: 1 << 20, isHashKnown: false },
      request: (url, init) => fetch(url, init),
      checkHead: () => undefined,
      onSize: async () => undefined,
      onProgress: () => undefined,
      pauseMs: 1,
      ...{ clock: systemClock(), log: silentLogger },
      ...more,
    },
    signal,
  );
}

/** Compared as a whole: much faster than by the matcher. */
const hasGot = (content: Uint8Array) => readFileSync(path).equals(content);

const failure = (code: string) => expect.objectContaining({ code });

describe("a download", () => {
  it("brings the file, and says how far it is", async () => {
    const seen: number[] = [];
    const sizes: (number | undefined)[] = [];
    await download({
      onProgress: (doneBytes) => seen.push(doneBytes),
      onSize: async (sizeBytes) => void sizes.push(sizeBytes),
    });
    expect(hasGot(CONTENT)).toBe(true);
    expect(seen.at(-1)).toBe(CONTENT.length);
    expect(sizes).toEqual([CONTENT.length]);
  });

  it("goes on where the connection broke, when it is the same file", async () => {
    server.fault = { cutAfterBytes: 90_000 };
    await download();
    expect(hasGot(CONTENT)).toBe(true);
    expect(server.seen.length).toBeGreaterThan(2);
    const [first, ...others] = server.seen;
    expect(first?.range).toBeUndefined();
    for (const { range, ifRange } of others) {
      expect(range).toMatch(/^bytes=\d+-$/);
      expect(ifRange).toBe('"one"');
    }
  });

  it("goes on in another process, by the note beside the file", async () => {
    server.fault = { cutAfterBytes: 90_000 };
    const stop = new AbortController();
    const onProgress = (done: number) => done > 100_000 && stop.abort(new Error("killed"));
    await expect(download({ onProgress }, stop.signal)).rejects.toThrow("killed");
    const asked = server.seen.length;
    server.fault = "none";
    await download();
    expect(hasGot(CONTENT)).toBe(true);
    expect(Number(/\d+/.exec(server.seen[asked]?.range ?? "")?.[0])).toBeGreaterThan(80_000);
    await download();
    expect(server.seen).toHaveLength(asked + 2);
  });

  it("begins anew when another file lies there now", async () => {
    server.fault = { cutAfterBytes: 90_000 };
    let asked = 0;
    await download({
      onSize: async () => {
        asked += 1;
        if (asked !== 2) return;
        server.fault = "none";
        server.etag = '"two"';
        server.content = CONTENT.subarray(1000);
      },
    }).catch(() => undefined);
    await download();
    expect(hasGot(CONTENT.subarray(1000))).toBe(true);
  });

  it("does not trust a note that speaks of bytes which are not there", async () => {
    writeFileSync(path, "short");
    writeFileSync(`${path}.json`, JSON.stringify({ v: 1, address: "x", doneBytes: 1e9 }));
    await download();
    expect(hasGot(CONTENT)).toBe(true);
  });

  it("begins anew where nothing says that the file is the same", async () => {
    server.fault = "plain";
    writeFileSync(path, "");
    await download();
    await download();
    expect(server.seen.map(({ range }) => range)).toEqual([undefined, undefined]);
    expect(hasGot(CONTENT)).toBe(true);
  });

  it("takes no more than the server said, and no less", async () => {
    server.fault = { saidBytes: CONTENT.length + 5000 };
    await expect(download()).rejects.toEqual(failure("MESH_MODEL_DOWNLOAD"));
    expect(server.seen.length).toBeGreaterThan(2);
  });

  it("ends at the limit, whatever is said", async () => {
    await expect(download({ bytesMax: 1000 })).rejects.toEqual(failure("MESH_LIMIT"));
  });

  it("asks again while the server is busy, and not when it refuses", async () => {
    server.fault = { status: 503 };
    const busy = download();
    await expect.poll(() => server.seen.length).toBeGreaterThan(1);
    server.fault = "none";
    await busy;
    server.fault = { status: 404 };
    const asked = server.seen.length;
    const other = join(directory, "other.part");
    await expect(download({ path: other })).rejects.toThrow(/HTTP 404/);
    expect(server.seen).toHaveLength(asked + 1);
    expect(() => readFileSync(other)).toThrow();
  });

  it("does not wait for ever for a server that is silent", async () => {
    server.fault = "silent";
    await expect(download({ silenceMs: 10 })).rejects.toThrow(/silent/);
  });

  it("follows a redirect, and no circle", async () => {
    server.fault = { redirectTo: "/models/tiny.gguf" };
    await expect(download()).rejects.toThrow(/redirects more than 5 times/);
    expect(server.seen).toHaveLength(6);
    server.fault = { redirectTo: "ftp://127.0.0.1/x" };
    await expect(download()).rejects.toThrow(/redirects from http: to ftp:/);
  });

  it("is not led to the doors of this machine by a server elsewhere", async () => {
    const inside = [
      "127.0.0.1:3000",
      "localhost",
      "[::1]",
      "[::ffff:127.0.0.1]",
      "169.254.169.254",
    ];
    for (const host of inside) {
      const asked: string[] = [];
      const request = async (url: string) => {
        asked.push(url);
        const headers = { location: `http://${host}/api/keys` };
        return new Response(null, { status: 302, headers });
      };
      const url = new URL("http://models.example/tiny.gguf");
      await expect(download({ url, request })).rejects.toThrow(/to this machine itself/);
      expect(asked).toEqual([url.href]);
    }
  });

  it("gives credentials to the host that they are for, and keeps them nowhere", async () => {
    const other = new FileServer(CONTENT);
    await other.start();
    server.fault = { redirectTo: other.url.href };
    const url = new URL(server.url);
    url.username = "anna";
    url.password = "secret";
    await download({ url });
    await other.stop();
    expect(server.seen[0]?.authorization).toBe(`Basic ${btoa("anna:secret")}`);
    expect(other.seen[0]?.authorization).toBeUndefined();
    expect(readFileSync(`${path}.json`, "utf8")).not.toMatch(/secret|anna|127\.0/);
  });

  it("looks at the first bytes at once", async () => {
    const checkHead = () => {
      throw new MeshError("MESH_MODEL_DAMAGED");
    };
    await expect(download({ checkHead })).rejects.toEqual(failure("MESH_MODEL_DAMAGED"));
    expect(server.seen).toHaveLength(1);
  });
});

describe("an address", () => {
  it("is of http or https", () => {
    for (const text of ["", "file:///etc/passwd", "ftp://x/y", "http:"]) {
      expect(() => parseModelUrl(text)).toThrowError(failure("MESH_BAD_REQUEST"));
    }
  });

  it("is remembered without what is nobody's business", () => {
    const url = parseModelUrl("https://anna:secret@models.example:8443/a/b.gguf?token=1#x");
    expect(sourceOf(url)).toBe("https://models.example:8443/a/b.gguf");
  });
});

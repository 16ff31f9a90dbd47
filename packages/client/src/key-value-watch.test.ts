import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { MeshError, systemClock, systemRandom } from "@hearthmesh/core";
import { memoryStore } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ApiClient } from "./api-client.js";
import { KeyValueClient } from "./key-value.js";
import { type KeyValueHome, keyValueHome } from "./testing/key-value-home.js";

const [clock, random] = [systemClock(), systemRandom()];
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const clientOf = (api: ApiClient) => {
  closing.push(() => api.close());
  return new KeyValueClient({ door: api, clock, random });
};

describe("a watch of the real doors", () => {
  let home: KeyValueHome;
  beforeEach(async () => {
    home = await keyValueHome(memoryStore({ clock }));
    closing.push(() => home.close());
  });

  it("gives all changes in order, from the past on, and ends with its signal", async () => {
    const keyValue = clientOf(home.operator());
    const first = await keyValue.put("w/a", "1");
    await keyValue.put("w/b", "2");
    await keyValue.put("other", "x");
    const success = [
      { type: "put", key: "w/c", value: "3" },
      { type: "delete", key: "w/a" },
    ] as const;
    await keyValue.transaction({ success });
    const stop = new AbortController();
    const seen: string[] = [];
    const options = { fromRevision: first.revision, signal: stop.signal };
    for await (const { events } of keyValue.watch({ prefix: "w/" }, options)) {
      seen.push(
        events
          .map((event) =>
            event.type === "put"
              ? `${event.entry.key}=${Buffer.from(event.entry.value ?? "")}`
              : `-${event.key}`,
          )
          .join(" "),
      );
      if (seen.length === 3) stop.abort();
    }
    expect(seen).toEqual(["w/a=1", "w/b=2", "w/c=3 -w/a"]);
  });

  it("goes on at another coordinator, without a gap and without a repetition", async () => {
    const credentials = await home.credentialsOf("carol@office.carol", ["/kv:read+write"]);
    const api = new ApiClient({ finder: home.finder(), credentials, clock, random });
    const keyValue = clientOf(api);
    const writer = clientOf(home.operator());
    await keyValue.list().next();
    await api.settled();
    const lost: string[] = [];
    let opened: (() => void) | undefined;
    const isOpen = new Promise<void>((resolve) => {
      opened = resolve;
    });
    const watch = keyValue.watch(
      { prefix: "w/" },
      { onReady: () => opened?.(), onLost: ({ message }) => lost.push(message) },
    );
    const values: string[] = [];
    const reading = (async () => {
      for await (const { events } of watch) {
        for (const event of events) {
          if (event.type === "put") values.push(String(Buffer.from(event.entry.value ?? "")));
        }
        if (values.length === 6) return;
      }
    })();
    await isOpen;
    await writer.put("w/a", "1");
    await home.stop(0);
    for (const value of ["2", "3"]) await writer.put("w/a", value);
    await home.start(0);
    await home.stop(1);
    for (const value of ["4", "5", "6"]) await writer.put("w/a", value);
    await reading;
    expect(values.join(" ")).toBe("1 2 3 4 5 6");
    expect(lost.length).toBeGreaterThan(0);
  });
});

describe("a watch of a scripted server", () => {
  type Script = (request: http.IncomingMessage, response: http.ServerResponse) => void;

  async function serve(...scripts: Script[]) {
    const asked: (string | undefined)[] = [];
    const server = http.createServer((request, response) => {
      asked.push(request.headers["last-event-id"] as string | undefined);
      const script = scripts[Math.min(asked.length, scripts.length) - 1];
      script?.(request, response);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    closing.push(() => {
      server.closeAllConnections();
      server.close();
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return { asked, keyValue: clientOf(new ApiClient({ loopbackUrl: url })) };
  }

  const head = { "content-type": "text/event-stream" };
  const ready = (revision: number) => `event: ready\ndata: {"revision":${revision}}\n\n`;
  const change = (revision: number) =>
    `event: change\nid: ${revision}\ndata: {"revision":${revision},` +
    `"events":[{"type":"delete","key":"k"}]}\n\n`;
  const problem = (code: string) => JSON.stringify({ code, detail: "x", status: 500 });

  async function revisions(keyValue: KeyValueClient, count: number): Promise<number[]> {
    const seen: number[] = [];
    for await (const { revision } of keyValue.watch({ key: "k" })) {
      seen.push(revision);
      if (seen.length === count) break;
    }
    return seen;
  }

  it("asks for what comes after what it has seen, and drops what comes twice", async () => {
    const { asked, keyValue } = await serve(
      (_, response) => response.writeHead(200, head).end(ready(4)),
      (_, response) => response.writeHead(200, head).end(ready(4) + change(5) + change(6)),
      (request) => request.socket.resetAndDestroy(),
      (_, response) => response.writeHead(200, head).end(`${ready(6) + change(6)}event: chan`),
      (_, response) => void response.writeHead(200, head).write(ready(6) + change(9)),
    );
    expect(await revisions(keyValue, 3)).toEqual([5, 6, 9]);
    expect(asked).toEqual([undefined, "4", "6", "6", "6"]);
  });

  it("ends with an error that a new connection would not cure", async () => {
    const compacted = `event: failed\ndata: ${problem("MESH_STORE_COMPACTED")}\n\n`;
    const failed = await serve((_, response) => response.writeHead(200, head).end(compacted));
    const code = { code: "MESH_STORE_COMPACTED" };
    await expect(revisions(failed.keyValue, 1)).rejects.toMatchObject(code);
    const stopping = `event: failed\ndata: ${problem("MESH_STOPPING")}\n\n`;
    const passing = await serve(
      (_, response) => response.writeHead(200, head).end(ready(1) + stopping),
      (_, response) => response.writeHead(503).end(problem("MESH_STORE_UNAVAILABLE")),
      (_, response) => void response.writeHead(200, head).write(ready(1) + change(2)),
    );
    expect(await revisions(passing.keyValue, 1)).toEqual([2]);
    const garbage = await serve((_, response) =>
      response.writeHead(200, head).end("event: change\ndata: {\n\n"),
    );
    await expect(revisions(garbage.keyValue, 1)).rejects.toBeInstanceOf(MeshError);
  });

  it("closes its connection when the reader stops, and when the signal comes", async () => {
    const ends: Promise<unknown>[] = [];
    const { keyValue } = await serve((request, response) => {
      ends.push(once(request.socket, "close"));
      response.writeHead(200, head).write(ready(1) + change(2));
    });
    expect(await revisions(keyValue, 1)).toEqual([2]);
    await ends[0];
    const stop = new AbortController();
    const onReady = () => setImmediate(() => stop.abort());
    const options = { signal: stop.signal, onReady };
    for await (const _ of keyValue.watch({ key: "k" }, options));
    await ends[1];
  });
});

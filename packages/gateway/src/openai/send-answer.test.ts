/** Streams over real sockets, with the time in the test's hand. */
import { createServer, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { MeshError } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/qwormhole/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AnswerPiece } from "./answer-piece.js";
import { SLOW_CLIENT_MS_MAX, STREAM_HEAD_WAIT_MS, STREAM_HEARTBEAT_MS } from "./limits.js";
import { sendStream } from "./send-answer.js";

let server: Server;
let socket: Socket;
let clock: ManualClock;
let text = "";
let served: Promise<void>;

/** Serves these pieces to one request. */
async function serve(pieces: () => AsyncGenerator<AnswerPiece>): Promise<void> {
  served = new Promise((resolve, reject) => {
    server.once("request", (_request, response: ServerResponse) => {
      sendStream(pieces(), { response, headers: { "x-test": "1" }, clock }).then(resolve, reject);
    });
  });
  served.catch(() => undefined);
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
}

beforeEach(async () => {
  clock = new ManualClock();
  text = "";
  server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.on("data", (bytes) => {
    text += bytes.toString();
  });
  socket.on("error", () => undefined);
});
afterEach(async () => {
  socket.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

describe("a stream on its way out", () => {
  it("begins with a part, or when it has waited; comments fill silence", async () => {
    const gates: (() => void)[] = [];
    const gate = () => new Promise<void>((resolve) => gates.push(resolve));
    await serve(async function* () {
      await gate();
      yield { kind: "data", text: '{"a":1}' };
      await gate();
      yield { kind: "note", text: "a member was lost" };
      yield { kind: "data", text: "[DONE]" };
    });
    await expect.poll(() => gates.length).toBe(1);
    expect(text).toBe("");
    await clock.advance(STREAM_HEAD_WAIT_MS);
    await expect.poll(() => text).toMatch(/^HTTP\/1.1 200 OK\r\n.*: still here\n\n/s);
    expect(text).toMatch(/\r\nx-test: 1\r\n/i);
    await clock.advance(STREAM_HEARTBEAT_MS);
    await expect.poll(() => text.match(/: still here/g)).toHaveLength(2);
    gates[0]?.();
    await expect.poll(() => text).toContain('data: {"a":1}\n\n');
    await expect.poll(() => gates.length).toBe(2);
    await clock.advance(STREAM_HEARTBEAT_MS);
    await expect.poll(() => text.match(/: still here/g)).toHaveLength(3);
    gates[1]?.();
    await served;
    await expect.poll(() => text).toMatch(/: a member was lost\n\n.*data: \[DONE\]\n\n/s);
  });

  it("rejects while nothing was sent, and tells the error in the stream after that", async () => {
    await serve(async function* () {
      yield* [];
      throw new MeshError("MESH_RING_NOT_READY");
    });
    await expect(served).rejects.toMatchObject({ code: "MESH_RING_NOT_READY" });
    expect(text).toBe("");
  });

  it("tells an error in the stream once its head was sent", async () => {
    let fail: (() => void) | undefined;
    await serve(async function* () {
      yield* [];
      await new Promise<void>((resolve) => {
        fail = resolve;
      });
      throw new MeshError("MESH_MODEL_MEMORY", { message: "512 MiB are missing" });
    });
    // The request has to be there before the time passes.
    await expect.poll(() => fail).toBeDefined();
    await clock.advance(STREAM_HEAD_WAIT_MS);
    await expect.poll(() => text).toContain(": still here");
    fail?.();
    await served;
    await expect.poll(() => text).toMatch(/data: \{"error":\{"message":"512 MiB are missing/);
    expect(text).not.toContain("[DONE]");
  });

  it("waits for a slow client, then cuts it, and ends what makes the answer", async () => {
    let made = 0;
    let isLeft = false;
    await serve(async function* () {
      try {
        for (;;) {
          made++;
          yield { kind: "data", text: "x".repeat(256 * 1024) };
        }
      } finally {
        isLeft = true;
      }
    });
    socket.pause();
    let before = -1;
    await expect
      .poll(() => {
        const isStill = made === before && made > 0;
        before = made;
        return isStill;
      })
      .toBe(true);
    // Bounded by what sockets hold, whatever the machine gives them.
    expect(made).toBeLessThan(400);
    await clock.advance(SLOW_CLIENT_MS_MAX);
    await expect.poll(() => isLeft).toBe(true);
    await served;
  });

  it("ends what makes the answer when its client goes away", async () => {
    let isLeft = false;
    await serve(async function* () {
      try {
        for (;;) {
          yield { kind: "data", text: "x" };
          await new Promise(setImmediate);
        }
      } finally {
        isLeft = true;
      }
    });
    await expect.poll(() => text).toContain("data: x");
    socket.destroy();
    await expect.poll(() => isLeft).toBe(true);
    await served;
  });
});

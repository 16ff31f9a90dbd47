import { afterEach, describe, expect, it } from "vitest";
import type { IncomingRequest, LinkOptions } from "./link.js";
import { type LinkPair, linkPair, ManualClock, settle } from "./testing/index.js";

const pairs: LinkPair[] = [];
async function open(dialer: Partial<LinkOptions>, listener: Partial<LinkOptions>) {
  const pair = await linkPair(dialer, listener);
  pairs.push(pair);
  return pair;
}
afterEach(() => {
  for (const { dialer } of pairs.splice(0)) dialer.destroy(new Error("the test is over"));
});

const bytes = (text: string) => Buffer.from(text);
const answering = (onRequest: (request: IncomingRequest) => Promise<Uint8Array>) => ({
  handlers: { onRequest },
});

describe("requests", () => {
  it("carry a method, a body in pieces, and the answer back", async () => {
    const seen: string[] = [];
    const { dialer } = await open(
      {},
      {
        handlers: {
          async onRequest({ method, body, peer }) {
            seen.push(`${method} ${Buffer.from(body)} ${peer.nodeId.length}`);
            return [bytes("a"), bytes("nswer")];
          },
        },
      },
    );
    const answer = await dialer.request("files.stat", [bytes("bo"), bytes("dy")]);
    expect(Buffer.from(answer).toString()).toBe("answer");
    expect(seen).toEqual(["files.stat body 52"]);
    expect(dialer.inspect().openRequests).toBe(0);
  });

  it("go both ways at once with the same numbers", async () => {
    const echo = answering(async ({ body }) => body);
    const { dialer, listener } = await open(echo, echo);
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, index) =>
        (index % 2 ? dialer : listener).request("echo", bytes(String(index))),
      ),
    );
    expect(answers.map((answer) => Number(Buffer.from(answer).toString()))).toEqual(
      answers.map((_, index) => index),
    );
  });

  it("bring back code, message and details of an error, and nothing without a code", async () => {
    const { dialer } = await open(
      {},
      answering(async ({ method }) => {
        if (method === "plain") throw new Error("the password is 1234");
        throw Object.assign(new Error("there is no such file"), {
          code: "MESH_NOT_FOUND",
          wireDetails: bytes("{}"),
        });
      }),
    );
    await expect(dialer.request("coded", bytes(""))).rejects.toMatchObject({
      code: "QW_REMOTE_ERROR",
      remoteCode: "MESH_NOT_FOUND",
      remoteDetails: Uint8Array.from(bytes("{}")),
      message: "there is no such file",
    });
    const plain = await dialer.request("plain", bytes("")).catch((error: Error) => error);
    expect(plain).toMatchObject({ code: "QW_REMOTE_ERROR", remoteCode: "QW_HANDLER_FAILED" });
    expect(String(plain)).not.toContain("1234");
  });

  it("end at their deadline on both sides, and a late answer is dropped", async () => {
    const clock = new ManualClock();
    const signals: AbortSignal[] = [];
    let answerLate: (body: Uint8Array) => void = () => {};
    const { dialer, listener } = await open(
      { clock },
      {
        clock,
        ...answering(({ signal }) => {
          signals.push(signal);
          return new Promise((resolve) => {
            answerLate = resolve;
          });
        }),
      },
    );
    const failed = dialer.request("slow", bytes(""), { timeoutMs: 250 }).catch((error) => error);
    await settle();
    expect(listener.inspect().openRequests).toBe(1);
    await clock.advance(249);
    expect(signals[0]?.aborted).toBe(false);
    await clock.advance(2);
    expect(await failed).toMatchObject({ code: "QW_REQUEST_TIMEOUT" });
    expect(signals[0]?.aborted).toBe(true);
    answerLate(bytes("late"));
    await settle();
    expect(dialer.isOpen).toBe(true);
    expect(listener.inspect().openRequests).toBe(0);
  });

  it("are cancelled by their signal, here and at the handler", async () => {
    const signals: AbortSignal[] = [];
    const { dialer, listener } = await open(
      {},
      answering(({ signal }) => {
        signals.push(signal);
        return new Promise(() => {});
      }),
    );
    const stop = new AbortController();
    const failed = dialer.request("slow", bytes(""), { signal: stop.signal }).catch((e) => e);
    await settle();
    stop.abort(new Error("the person left"));
    expect(await failed).toMatchObject({ code: "QW_CANCELLED" });
    await settle();
    expect(signals[0]?.aborted).toBe(true);
    expect(listener.inspect().openRequests).toBe(0);
    await expect(dialer.request("slow", bytes(""), { signal: stop.signal })).rejects.toMatchObject({
      code: "QW_CANCELLED",
    });
  });

  it("are refused above the peer's limit, here and there", async () => {
    const slow = answering(() => new Promise(() => {}));
    const { dialer } = await open({}, { ...slow, limits: { requestsMax: 2 } });
    for (let count = 0; count < 2; count++) dialer.request("slow", bytes("")).catch(() => {});
    await expect(dialer.request("slow", bytes(""))).rejects.toMatchObject({
      code: "QW_REQUEST_LIMIT",
    });
  });

  it("are refused when the bodies under way hold too many bytes", async () => {
    const slow = answering(() => new Promise(() => {}));
    const { dialer } = await open({}, { ...slow, limits: { requestBytesMax: 1000 } });
    dialer.request("slow", new Uint8Array(600)).catch(() => {});
    await expect(dialer.request("slow", new Uint8Array(600))).rejects.toMatchObject({
      remoteCode: "QW_REQUEST_LIMIT",
    });
  });

  it("are refused above the message limit, and the link lives on", async () => {
    const { dialer } = await open(
      { limits: { messageBytesMax: 1000 } },
      {
        ...answering(async ({ method }) => new Uint8Array(method === "long" ? 1001 : 1000)),
        limits: { messageBytesMax: 500 },
      },
    );
    await expect(dialer.request("x", new Uint8Array(501))).rejects.toMatchObject({
      code: "QW_MESSAGE_TOO_LARGE",
    });
    await expect(dialer.request("long", bytes(""))).rejects.toMatchObject({
      remoteCode: "QW_MESSAGE_TOO_LARGE",
    });
    expect(await dialer.request("x", new Uint8Array(500))).toHaveLength(1000);
  });

  it("are refused when the timeout, the body or the answer is not of its kind", async () => {
    const { dialer } = await open(
      {},
      answering(async () => "text" as unknown as Uint8Array),
    );
    const text = "text" as unknown as Uint8Array;
    const badTimeout = dialer.request("x", bytes(""), { timeoutMs: Number.NaN });
    await expect(badTimeout).rejects.toMatchObject({ code: "QW_OPTIONS_INVALID" });
    await expect(dialer.request("x", text)).rejects.toBeInstanceOf(TypeError);
    await expect(dialer.request("x", bytes(""))).rejects.toMatchObject({
      remoteCode: "QW_HANDLER_FAILED",
    });
    expect(() => dialer.send(text)).toThrow(TypeError);
    expect(dialer.isOpen).toBe(true);
  });

  it("say so when the peer serves none", async () => {
    const { dialer } = await open({}, { handlers: {} });
    await expect(dialer.request("x", bytes(""))).rejects.toMatchObject({
      remoteCode: "QW_NO_HANDLER",
    });
  });

  it("refuse a method name that does not fit", async () => {
    const { dialer } = await open({}, {});
    for (const method of ["", "x".repeat(256)]) {
      await expect(dialer.request(method, bytes(""))).rejects.toMatchObject({
        code: "QW_OPTIONS_INVALID",
      });
    }
  });

  it("carry bodies and answers of the full message limit", async () => {
    const { dialer } = await open(
      {},
      answering(async ({ body }) => body),
    );
    const body = Buffer.alloc(1 << 20, 5);
    expect(Buffer.from(await dialer.request("echo", body)).equals(body)).toBe(true);
  });
});

import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { systemClock, systemRandom } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { memoryStore } from "../../../store/src/index.js";
import { LoopbackDoor } from "../doors/loopback-door.js";
import { EventFeed } from "../events/event-feed.js";
import { EVENT_STREAMS_OF_ONE_MAX } from "../events/limits.js";
import { LOCAL_OPERATOR } from "../events/stream-shares.js";
import { type GatewayFixture, gatewayFixture } from "../testing/gateway-fixture.js";

const clock = systemClock();
const random = systemRandom();
let fixture: GatewayFixture;
let feed: EventFeed;
let door: LoopbackDoor;
let base: string;

beforeEach(async () => {
  fixture = await gatewayFixture({ store: memoryStore({ clock }), clock, random });
  feed = new EventFeed({ nodeName: "home", clock, random });
  const services = { ...fixture.services, events: feed };
  door = new LoopbackDoor({ host: "127.0.0.1", port: 0, services, metrics: fixture.metrics });
  await door.start();
  base = `http://127.0.0.1:${door.address?.port}`;
});
afterEach(async () => {
  feed.close();
  await door.stop();
  await fixture.authority.close();
});

const peer = (name: string) =>
  feed.publish("peer", { nodeId: "b1", name, state: "dead", before: "alive" });

/** Reads until the text is there, or the stream ends; the rest of the stream stays. */
async function until(stream: IncomingMessage, text: string): Promise<string> {
  let got = "";
  while (!got.includes(text)) {
    const piece: Buffer | null = stream.read();
    if (piece !== null) got += piece.toString();
    else if (stream.readableEnded) return got;
    else await Promise.race([once(stream, "readable"), once(stream, "end")]);
  }
  return got;
}

/** A connection of its own: the pool of `fetch` keeps one in reserve after it was cut. */
async function open(headers: Record<string, string> = {}): Promise<IncomingMessage> {
  const asked = get(`${base}/events`, { headers, agent: false });
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  response.on("error", () => undefined);
  return response;
}

const codeOf = async (response: Response) => ((await response.json()) as { code: string }).code;

describe("GET /events", () => {
  it("is an event stream, and goes on after the last event that was read", async () => {
    const first = await open();
    expect(first.headers["content-type"]).toBe("text/event-stream; charset=utf-8");
    await until(first, "event: ready");
    peer("attic");
    const text = await until(first, '"attic"');
    const id = /id: (\S+)/.exec(text)?.[1] ?? "";
    first.destroy();
    peer("shed");
    const second = await open({ "last-event-id": id });
    expect(await until(second, '"shed"')).not.toContain("attic");
    second.destroy();
    await expect.poll(() => feed.readers).toBe(0);
  });

  it("wants the right to read, and stops when it is taken back", async () => {
    const by = { principal: fixture.services.operator };
    const { text } = await fixture.authority.apiKeys.create(by, { scopes: ["services"] });
    expect((await fetch(`${base}/events`, { headers: { "x-api-key": text } })).status).toBe(403);
    const reading = await fixture.authority.apiKeys.create(by, { scopes: ["read"] });
    const stream = await open({ "x-api-key": reading.text });
    await until(stream, "event: ready");
    await fixture.authority.apiKeys.revoke(by, reading.record.id);
    peer("secret");
    const rest = await until(stream, "never");
    expect(rest).toMatch(/^event: failed\ndata: .*MESH_KEY_INVALID/);
    expect(rest).not.toContain("secret");
    expect(feed.readers).toBe(0);
  });

  it("answers who comes too many, before anything is sent", async () => {
    const readers = Array.from({ length: EVENT_STREAMS_OF_ONE_MAX }, () =>
      feed.open(LOCAL_OPERATOR),
    );
    const refused = await fetch(`${base}/events`);
    expect([refused.status, await codeOf(refused)]).toEqual([429, "MESH_LIMIT"]);
    // Another identity has places of its own.
    const by = { principal: fixture.services.operator };
    const { text } = await fixture.authority.apiKeys.create(by, { scopes: ["read"] });
    const other = await open({ "x-api-key": text });
    expect(other.statusCode).toBe(200);
    other.destroy();
    await expect.poll(() => feed.readers).toBe(EVENT_STREAMS_OF_ONE_MAX);
    for (const reader of readers) reader.close();
    const bad = await fetch(`${base}/events`, { headers: { "last-event-id": "a b" } });
    expect([bad.status, await codeOf(bad)]).toEqual([400, "MESH_BAD_REQUEST"]);
    expect(feed.readers).toBe(0);
  });

  it("keeps nothing for who takes nothing: such a reader is cut", async () => {
    const { port, host } = new URL(base);
    const socket = connect({ host: "127.0.0.1", port: Number(port) });
    socket.pause();
    socket.write(`GET /events HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
    await expect.poll(() => feed.readers).toBe(1);
    // More than the buffers of both systems hold.
    for (let at = 0; at < 200; at++) {
      for (let more = 0; more < 10; more++) peer("x".repeat(8_000));
      await delay(1);
    }
    socket.resume();
    socket.on("error", () => undefined);
    let tail = "";
    socket.on("data", (bytes) => {
      tail = (tail + bytes.toString()).slice(-300);
    });
    await expect.poll(() => feed.readers).toBe(0);
    await expect.poll(() => tail).toContain("This reader was too slow");
    socket.destroy();
  });

  it("ends with the node", async () => {
    const stream = await open();
    await until(stream, "event: ready");
    feed.close();
    expect(await until(stream, "never")).toBe("");
    const late = await fetch(`${base}/events`);
    expect(await codeOf(late)).toBe("MESH_STOPPING");
  });
});

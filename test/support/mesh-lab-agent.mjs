/**
 * Works in a machine of the lab for the process that made it: asks the daemon there over loopback
 * as a person on that machine would, and watches it closely without starting a process each time.
 * Times are those of the system's monotonic clock, which all processes of this machine share.
 */
import { readFileSync } from "node:fs";
import { Agent, createServer, request } from "node:http";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { answerLines } from "./json-answers.mjs";

const DAEMON_PORT = 3000;
const ANSWER_MS_MAX = 10_000;
const connections = new Agent({ keepAlive: true });

function ask({ path, method = "GET", headers = {}, body, port = DAEMON_PORT, host = "127.0.0.1" }) {
  const bytes = body === undefined ? undefined : Buffer.from(body, "base64");
  return new Promise((resolve, reject) => {
    const sent = request(
      { host, port, path, method, agent: connections, timeout: ANSWER_MS_MAX, headers },
      async (response) => {
        try {
          const parts = [];
          for await (const part of response) parts.push(part);
          const answer = Buffer.concat(parts).toString("base64");
          resolve({ status: response.statusCode, headers: response.headers, body: answer });
        } catch (error) {
          reject(error);
        }
      },
    );
    sent.once("timeout", () => sent.destroy(new Error(`${path} did not answer in time`)));
    sent.once("error", reject);
    sent.end(bytes);
  });
}

async function json(path) {
  const { status, body } = await ask({ path });
  const text = Buffer.from(body, "base64").toString("utf8");
  if (status !== 200) throw new Error(`${path} answered ${status}: ${text.slice(0, 300)}`);
  return JSON.parse(text);
}

const nowMs = () => Number(process.hrtime.bigint()) / 1e6;

/** What this machine's daemon believes. */
async function view() {
  const [{ peers, missing }, { routes }] = await Promise.all([
    json("/mesh/peers"),
    json("/mesh/routes"),
  ]);
  return { peers, missing, routes };
}

const passes = (way, name) => way.path.includes(name);

/** Whether nobody here would send anything to that node, or by way of it. */
function isGone({ peers, routes }, name) {
  if (peers.some((peer) => peer.name === name)) return false;
  return !routes.some(
    (route) =>
      route.name === name ||
      passes(route, name) ||
      route.alternatives.some((way) => passes(way, name)),
  );
}

function isThere({ peers, routes }, name) {
  const peer = peers.find((one) => one.name === name);
  return peer?.state === "alive" && routes.some((route) => route.name === name);
}

async function poll(isDone, { everyMs, timeoutMs }) {
  const endMs = nowMs() + timeoutMs;
  for (;;) {
    const atMs = nowMs();
    if (await isDone()) return nowMs();
    if (atMs > endMs) return null;
    await sleep(Math.max(0, everyMs - (nowMs() - atMs)));
  }
}

let watching;

/** Notes each change of what the daemon says of the others, until it is told to stop. */
async function watch(everyMs) {
  const changes = [];
  const last = new Map();
  const own = { isOn: true, changes, polls: 0 };
  watching = own;
  while (own.isOn) {
    const atMs = nowMs();
    try {
      const { peers, missing } = await json("/mesh/peers");
      own.polls++;
      for (const { name, state } of [...peers, ...missing]) {
        if (last.get(name) !== state) changes.push({ atMs: nowMs(), name, state });
        last.set(name, state);
      }
    } catch {
      // The daemon itself may be stopped at the moment.
    }
    await sleep(Math.max(0, everyMs - (nowMs() - atMs)));
  }
}

/** A small program of this machine: says who answered, and how much it was sent. */
async function serve({ port, name }) {
  const server = createServer(async (incoming, response) => {
    let bytes = 0;
    for await (const part of incoming) bytes += part.length;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ name, path: incoming.url, bytes }));
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
}

/** Requests at a steady rate, whatever the answers; how often each status came. */
async function flood({ perSecond, seconds, ...wanted }) {
  const statuses = {};
  const under = [];
  const startMs = nowMs();
  for (let sent = 0; sent < perSecond * seconds; sent++) {
    const waitMs = startMs + (sent * 1000) / perSecond - nowMs();
    if (waitMs > 1) await sleep(waitMs);
    under.push(
      ask(wanted)
        .then(
          ({ status }) => status,
          (error) => error.code ?? error.message,
        )
        .then((status) => {
          statuses[status] = (statuses[status] ?? 0) + 1;
        }),
    );
  }
  await Promise.all(under);
  return { statuses, tookMs: nowMs() - startMs };
}

/** Whether a connection comes about. */
function reaches({ host, port, timeoutMs }) {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs });
    const done = (is) => {
      socket.destroy();
      resolve(is);
    };
    socket.once("connect", () => done(true));
    socket.once("timeout", () => done(false));
    socket.once("error", () => done(false));
  });
}

answerLines({
  request: ask,
  serve,
  flood,
  reaches,
  json: ({ path }) => json(path),
  view,
  /** When it was seen first, or null. */
  untilGone: ({ name, ...limits }) =>
    poll(async () => {
      const seen = await view().catch(() => undefined);
      return seen !== undefined && isGone(seen, name);
    }, limits),
  untilThere: ({ names, ...limits }) =>
    poll(async () => {
      const seen = await view().catch(() => undefined);
      return seen !== undefined && names.every((name) => isThere(seen, name));
    }, limits),
  /** When the path first answered with 200. */
  untilAnswered: ({ path, ...limits }) =>
    poll(async () => (await ask({ path }).catch(() => undefined))?.status === 200, limits),
  startWatch({ everyMs }) {
    void watch(everyMs);
  },
  stopWatch() {
    const { changes, polls } = watching;
    watching.isOn = false;
    return { changes, polls };
  },
  /** Bytes and packets of an interface of this namespace, since it was made. */
  traffic({ device }) {
    const line = readFileSync("/proc/self/net/dev", "utf8")
      .split("\n")
      .find((text) => text.trim().startsWith(`${device}:`));
    if (line === undefined) throw new Error(`there is no ${device}`);
    const numbers = line.split(":")[1].trim().split(/\s+/).map(Number);
    const [bytesIn, packetsIn, , , , , , , bytesOut, packetsOut] = numbers;
    return { bytesIn, packetsIn, bytesOut, packetsOut };
  },
});

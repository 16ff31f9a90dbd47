/**
 * A slow link in user space: forwards TCP connections and holds each piece back by the same time,
 * both ways. A process of its own; its parent tells it what to do, `{ id, call, ... }`, and gets
 * `{ id, result | error }`. Bytes are not looked at, so TLS goes through end to end.
 */
import { connect, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";

/** The thread is asked to wake so much earlier; the rest is waited for without sleeping. */
const LEAD_MS = 0.08;
/** Lateness is remembered of so many pieces. */
const SAMPLES_MAX = 20_000;

/** The same for all threads, unlike `performance.now()`. */
const nowMs = () => Number(process.hrtime.bigint()) / 1e6;
const shared = { version: new SharedArrayBuffer(4), due: new SharedArrayBuffer(8) };
const version = new Int32Array(shared.version);
const due = new Float64Array(shared.due);
const timer = new Worker(fileURLToPath(new URL("./delay-timer.mjs", import.meta.url)), {
  workerData: shared,
});

/** What is on its way, first come first: all are held equally long, so the first is due first. */
let onTheWay = [];
let delayMs = 0;
let isArmed = false;
let heldMs = [];

function arm() {
  const [first] = onTheWay;
  if (first === undefined || isArmed) return;
  isArmed = true;
  due[0] = first.dueMs - LEAD_MS;
  Atomics.add(version, 0, 1);
  Atomics.notify(version, 0);
}

timer.on("message", () => {
  isArmed = false;
  let sent = 0;
  for (const { to, piece, atMs, dueMs } of onTheWay) {
    if (dueMs - nowMs() > LEAD_MS) break;
    while (nowMs() < dueMs) {
      // For less than the lead.
    }
    if (heldMs.length < SAMPLES_MAX) heldMs.push(nowMs() - atMs);
    pass(to, piece);
    sent += 1;
  }
  onTheWay = onTheWay.slice(sent);
  arm();
});

/** Undefined: the connection's end. */
function pass(to, piece) {
  if (to.destroyed) return;
  if (piece === undefined) to.end();
  else to.write(piece);
}

function forward(from, to) {
  const hold = (piece) => {
    if (delayMs === 0 && onTheWay.length === 0) {
      pass(to, piece);
      return;
    }
    const atMs = nowMs();
    onTheWay.push({ to, piece, atMs, dueMs: atMs + delayMs });
    arm();
  };
  from.setNoDelay(true);
  from.on("data", hold);
  from.on("end", () => hold(undefined));
  from.on("error", () => to.destroy());
  from.on("close", () => hold(undefined));
}

const calls = {
  /** Where connections to `target` are taken from now on. */
  listen({ target: { host, port } }) {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      const far = connect({ host, port, allowHalfOpen: true });
      forward(near, far);
      forward(far, near);
    });
    return new Promise((resolve, reject) => {
      server.on("error", reject);
      server.listen(0, "127.0.0.1", () => resolve(server.address().port));
    });
  },
  /** For all pieces from now on; nothing may be on its way that was held longer. */
  setDelay({ ms }) {
    delayMs = ms;
    heldMs = [];
  },
  /** How long pieces were really held since the delay was set: the middle, and one of a hundred. */
  held() {
    const sorted = [...heldMs].sort((a, b) => a - b);
    const at = (part) => sorted[Math.floor(sorted.length * part)] ?? 0;
    return { pieces: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99) };
  },
};

process.on("message", async ({ id, call, ...rest }) => {
  try {
    process.send({ id, result: await calls[call](rest) });
  } catch (error) {
    process.send({ id, error: error.message });
  }
});
process.on("disconnect", () => process.exit(0));

/**
 * The load: a process that asks. `bare` is a client that does the least one can do, so that the
 * other side is what is measured; `node` is the HTTP client that JavaScript programs use.
 */
import http from "node:http";
import net from "node:net";

export async function makeLoad() {
  return { bare, node, firstByte, download };
}

const headFor = ({ port, path }) =>
  Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: */*\r\n\r\n`);

/** Requests per second over so many connections, each with one request at a time. */
async function bare(target, connections, seconds) {
  const head = headFor(target);
  const counter = { count: 0, isOver: false };
  const sockets = await Promise.all(
    Array.from({ length: connections }, () => askAgain(target.port, head, counter)),
  );
  const rate = await countFor(counter, seconds);
  for (const socket of sockets) socket.destroy();
  return rate;
}

async function askAgain(port, head, counter) {
  const socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
  await new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  let left = 0;
  socket.on("data", (bytes) => {
    if (left === 0) left = wholeBytes(bytes);
    left -= bytes.length;
    if (left > 0 || counter.isOver) return;
    counter.count++;
    socket.write(head);
  });
  socket.write(head);
  return socket;
}

/** The length of an answer whose head has come in one piece, as heads of this size do. */
function wholeBytes(bytes) {
  const end = bytes.indexOf("\r\n\r\n");
  const text = bytes.latin1Slice(0, end);
  const length = /content-length: (\d+)/i.exec(text)?.[1];
  if (!text.startsWith("HTTP/1.1 200") || length === undefined) throw new Error(text);
  return end + 4 + Number(length);
}

async function node(target, connections, seconds) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  const counter = { count: 0, isOver: false };
  const caller = async () => {
    while (!counter.isOver) {
      await get(target, agent);
      counter.count++;
    }
  };
  const callers = Promise.all(Array.from({ length: connections }, caller));
  const rate = await countFor(counter, seconds);
  await callers;
  agent.destroy();
  return rate;
}

function get({ port, path }, agent) {
  return new Promise((resolve, reject) => {
    http
      .get({ port, host: "127.0.0.1", path, agent }, (response) => {
        if (response.statusCode !== 200) reject(new Error(`the answer is ${response.statusCode}`));
        let bytes = 0;
        response.on("data", (piece) => {
          bytes += piece.length;
        });
        response.once("end", () => resolve(bytes));
        response.once("error", reject);
      })
      .once("error", reject);
  });
}

/** Half of the time warms up; the other half counts. */
async function countFor(counter, seconds) {
  const half = () => new Promise((resolve) => setTimeout(resolve, seconds * 500));
  await half();
  const before = counter.count;
  const start = performance.now();
  await half();
  const rate = ((counter.count - before) / (performance.now() - start)) * 1000;
  counter.isOver = true;
  return rate;
}

/** Milliseconds until the first byte of each answer, one request at a time. */
async function firstByte(target, count) {
  const socket = net.connect({ port: target.port, host: "127.0.0.1", noDelay: true });
  await new Promise((resolve) => socket.once("connect", resolve));
  const head = headFor(target);
  const samples = [];
  for (let made = 0; made < count; made++) {
    const start = performance.now();
    socket.write(head);
    let left = await new Promise((resolve) =>
      socket.once("data", (bytes) => {
        samples.push(performance.now() - start);
        resolve(wholeBytes(bytes) - bytes.length);
      }),
    );
    while (left > 0) {
      left -= await new Promise((resolve) => socket.once("data", ({ length }) => resolve(length)));
    }
  }
  socket.destroy();
  samples.splice(0, samples.length >> 2);
  samples.sort((a, b) => a - b);
  const at = (share) => samples[Math.floor((samples.length - 1) * share)];
  return { p50: at(0.5), p99: at(0.99) };
}

/** Megabytes per second of one large answer. */
async function download({ port, path }, bytes) {
  const agent = new http.Agent();
  await get({ port, path: `${path}${bytes >> 3}` }, agent);
  const start = performance.now();
  const came = await get({ port, path: `${path}${bytes}` }, agent);
  if (came !== bytes) throw new Error(`${came} of ${bytes} bytes came`);
  return bytes / 1e3 / (performance.now() - start);
}

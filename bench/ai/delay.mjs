/**
 * At which delay is a ring of two no faster than one of them alone, and what did the planner say?
 * Two members with a core each on loopback, with a slow link in user space between them.
 */
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { EMPTY_HISTORY, planModel } from "@hearthmesh/pool";
import { median } from "./median.mjs";
import { startRing, ToldProcess } from "./ring.mjs";

/** One way, by the proxy; undefined: without it, which is a hop less. */
const DELAYS_MS = [undefined, 0, 0.1, 0.25, 0.5, 1, 2];
const PROXY = fileURLToPath(new URL("./delay-proxy.mjs", import.meta.url));
const LOOPBACK = "127.0.0.1";
const MEMBERS = [
  { threads: 1, cores: "0" },
  { threads: 1, cores: "1" },
];
const PROMPT = "once the time was in the land and on to the hill";
const CONTEXT_TOKENS = 256;
/** Of bisection: finer than anybody measures. */
const ROUND_TRIP_MS_MAX = 64;
const BISECTIONS = 40;

async function millisecondsPerToken(ring, tokens) {
  const { decodePerSecond, completionTokens } = await ring.generate(PROMPT, tokens);
  if (completionTokens < 2) throw new Error("the answer has no second token");
  return 1000 / decodePerSecond;
}

/** What each of the members' agents would have measured of its engine, alone and both at once. */
async function bandwidths(ring) {
  const one = (member) => member.call("bandwidth", { threads: 1 });
  const alone = [];
  for (const member of ring.members) alone.push(await one(member));
  return { alone, together: await Promise.all(ring.members.map(one)) };
}

/** Ways between the members: straight, and through the proxy. */
class Ways {
  #ring;
  #proxy;
  #straight;
  #slow;

  static async open(ring, proxy) {
    const ways = new Ways();
    ways.#ring = ring;
    ways.#proxy = proxy;
    const [, other] = ring.members;
    const { port } = await other.call("listen", { host: LOOPBACK });
    const endpoints = ring.members.map(({ endpoint }) => endpoint);
    ways.#straight = { endpoints, link: { host: LOOPBACK, port } };
    const slow = [];
    for (const endpoint of endpoints) {
      const { port } = await ways.#through(Number(endpoint.split(":")[1]));
      slow.push(`${LOOPBACK}:${port}`);
    }
    ways.#slow = { endpoints: slow, link: await ways.#through(port) };
    return ways;
  }

  /** Where their agents talk to each other over this way. */
  async take(delayMs) {
    if (delayMs !== undefined) await this.#proxy.call("setDelay", { ms: delayMs });
    const { endpoints, link } = delayMs === undefined ? this.#straight : this.#slow;
    const [first] = this.#ring.members;
    if (first.endpoint !== endpoints[0]) {
      for (const [at, member] of this.#ring.members.entries()) member.endpoint = endpoints[at];
      await this.#ring.load();
      await this.#ring.generate(PROMPT, 4);
    }
    return link;
  }

  async #through(port) {
    const target = { host: LOOPBACK, port };
    return { host: LOOPBACK, port: await this.#proxy.call("listen", { target }) };
  }
}

async function oneRound({ whole, split, proxy, ways, tokens, round }) {
  round.bandwidths.push(await bandwidths(split));
  round.wholeMs.push(await millisecondsPerToken(whole, tokens));
  for (const [at, delayMs] of DELAYS_MS.entries()) {
    const address = await ways.take(delayMs);
    const roundTripMs = await split.leader.call("roundTrip", { address });
    const tokenMs = await millisecondsPerToken(split, tokens);
    const held = delayMs ? await proxy.call("held") : undefined;
    round.points[at].push({ roundTripMs, tokenMs, held });
  }
  round.wholeMs.push(await millisecondsPerToken(whole, tokens));
}

/** The planner's own rows for two equal members with this bandwidth, this far from each other. */
function predicted({ shape, bandwidthBytesPerSecond, roundTripMs }) {
  const nodeIds = ["one", "two"];
  const { candidates } = planModel({
    modelId: "bench",
    modelName: "bench",
    shape,
    sizes: { contextTokens: CONTEXT_TOKENS, sequencesMax: 1, batchRowsMax: 256, threads: 1 },
    self: "one",
    members: nodeIds.map((nodeId) => ({
      ...{ nodeId, name: nodeId, unavailable: undefined },
      ...{ memoryBytes: 2 ** 36, bandwidthBytesPerSecond },
    })),
    // Nobody has measured the link's throughput: the planner takes what it takes then.
    links: [{ a: "one", b: "two", roundTripMs, bytesPerSecond: undefined, relayed: false }],
    history: EMPTY_HISTORY,
    leader: undefined,
    only: undefined,
  });
  const tokenMs = (placement) => {
    const row = candidates.find((candidate) => candidate.row.placement === placement)?.row;
    if (row?.tokensPerSecond === undefined) throw new Error(`${placement}: ${row?.reason}`);
    return 1000 / row.tokensPerSecond;
  };
  return { wholeMs: tokenMs("R"), splitMs: tokenMs("T") };
}

/** Where the planner's two rows are as fast; undefined when the ring is slower on any link. */
function predictedBreakEven(shape, bandwidthBytesPerSecond) {
  const isRingFaster = (roundTripMs) => {
    const { wholeMs, splitMs } = predicted({ shape, bandwidthBytesPerSecond, roundTripMs });
    return splitMs < wholeMs;
  };
  let [from, to] = [0, ROUND_TRIP_MS_MAX];
  if (!isRingFaster(from) || isRingFaster(to)) return undefined;
  for (let count = 0; count < BISECTIONS; count++) {
    const middle = (from + to) / 2;
    if (isRingFaster(middle)) from = middle;
    else to = middle;
  }
  return to;
}

/** Where the line through the points crosses; undefined when it does not within them. */
function crossing(points, wholeMs) {
  const sorted = [...points].sort((a, b) => a.roundTripMs - b.roundTripMs);
  for (const [at, right] of sorted.entries()) {
    const left = sorted[at - 1];
    if (left === undefined || left.tokenMs > wholeMs || right.tokenMs <= wholeMs) continue;
    const part = (wholeMs - left.tokenMs) / (right.tokenMs - left.tokenMs);
    const between = (what) => left[what] + part * (right[what] - left[what]);
    return { roundTripMs: between("roundTripMs") };
  }
  return undefined;
}

function summary(model, shape, round) {
  const middle = (values, of) => median(values.map(of));
  const points = DELAYS_MS.map((delayMs, at) => ({
    delayMs,
    roundTripMs: middle(round.points[at], ({ roundTripMs }) => roundTripMs),
    tokenMs: middle(round.points[at], ({ tokenMs }) => tokenMs),
    heldMs: delayMs ? middle(round.points[at], ({ held }) => held.p50Ms) : 0,
  }));
  const wholeMs = median(round.wholeMs);
  const alone = median(round.bandwidths.flatMap((one) => one.alone));
  const together = median(round.bandwidths.flatMap((one) => one.together));
  const [nearest] = points;
  return {
    ...{ model, points, wholeMs },
    measured: crossing(points, wholeMs),
    bandwidthBytesPerSecond: { alone, together },
    predictedRoundTripMs: {
      alone: predictedBreakEven(shape, alone),
      together: predictedBreakEven(shape, together),
    },
    predictedNearest: predicted({
      ...{ shape, bandwidthBytesPerSecond: alone },
      roundTripMs: nearest.roundTripMs,
    }),
    raw: round,
  };
}

/** `name`: for people. Everything is measured `rounds` times, one after the other in each. */
export async function delayCurve({ name, model, tokens, rounds, onRound }) {
  const proxy = new ToldProcess("proxy", PROXY);
  const stoppable = [proxy];
  try {
    const whole = await startRing({ model, members: [MEMBERS[0]], contextTokens: CONTEXT_TOKENS });
    stoppable.push(whole);
    const split = await startRing({ model, members: MEMBERS, contextTokens: CONTEXT_TOKENS });
    stoppable.push(split);
    const ways = await Ways.open(split, proxy);
    for (const ring of [whole, split]) {
      await ring.load();
      // The first answer finds cold caches and graphs that are not there yet.
      await ring.generate(PROMPT, 4);
    }
    const points = DELAYS_MS.map(() => []);
    const round = { wholeMs: [], points, bandwidths: [], loads: [] };
    for (let number = 1; number <= rounds; number++) {
      onRound(number);
      round.loads.push(loadavg()[0]);
      await oneRound({ whole, split, proxy, ways, tokens, round });
    }
    return summary(name, split.shape, round);
  } finally {
    for (const one of stoppable.reverse()) await one.stop();
  }
}

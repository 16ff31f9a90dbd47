/**
 * `node bench/routing/relay.mjs [options]`: a link through a hub beside a direct one.
 *
 *     --rounds N     default 5
 *     --rate N       bytes a second of each machine's line; default 125,000,000 (1 Gbit/s)
 *     --json FILE    raw results; default: only the summary, on the standard output
 *
 * Three processes on loopback, with mutual TLS on each link: an origin, a hub, a target. The origin
 * has a direct link to the target, and one through the hub: TLS from end to end within a stream of
 * the hub's links. Both carry the same bulk stream in turn. Once the line of each machine is held
 * to the rate (what it sends, by the rate limits of its links), as machines of a home have it; once
 * it is not, and then processor time decides: through a hub each byte is encrypted and decrypted
 * three times instead of once, so on two busy cores about a third of the direct rate is left. The
 * figures are medians.
 */
import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { testAuthority } from "../../packages/qwormhole/dist/testing/index.js";
import { withChildren } from "../transport/children.mjs";
import { median, percentiles } from "../transport/measure.mjs";

/** Relayed bulk over direct bulk, at the rate of the line. */
const MARK = 0.8;
const SIDE = "../routing/relay-side.mjs";
const PIECES = { warmUp: 32, shaped: 192, unshaped: 384 };
const ROUND_TRIPS = 500;

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    rate: { type: "string", default: "125000000" },
    json: { type: "string" },
  },
});

const authority = testAuthority();

/** One round: new processes, both ways in turn. */
async function measureRound(bytesPerSec, pieces) {
  return withChildren(3, {}, async (targetProcess, hubProcess, origin) => {
    const context = (name) => ({ credentials: authority.issue(name).credentials, bytesPerSec });
    const target = await targetProcess.create(SIDE, "makeTarget", context("target"));
    const hub = await hubProcess.create(SIDE, "makeHub", { ...context("hub"), target });
    await origin.create(SIDE, "makeOrigin", { ...context("origin"), hub, target });
    const figures = {};
    for (const way of ["direct", "relayed"]) {
      await origin.call("bulk", way, PIECES.warmUp);
      const hubBefore = await hubProcess.call("cpuSeconds");
      const megabytesPerSec = await origin.call("bulk", way, pieces);
      const hubCpuSeconds = (await hubProcess.call("cpuSeconds")) - hubBefore;
      const { p50 } = percentiles(await origin.call("roundTrips", way, ROUND_TRIPS));
      figures[way] = { megabytesPerSec, roundTripMs: p50, hubCpuSeconds };
    }
    return figures;
  });
}

async function measure(bytesPerSec, pieces) {
  const rounds = [];
  for (let round = 0; round < Number(options.rounds); round++) {
    rounds.push(await measureRound(bytesPerSec, pieces));
  }
  const of = (figureOf) => median(rounds.map(figureOf));
  return {
    directMegabytesPerSec: of(({ direct }) => direct.megabytesPerSec),
    relayedMegabytesPerSec: of(({ relayed }) => relayed.megabytesPerSec),
    share: of(({ direct, relayed }) => relayed.megabytesPerSec / direct.megabytesPerSec),
    directRoundTripMs: of(({ direct }) => direct.roundTripMs),
    relayedRoundTripMs: of(({ relayed }) => relayed.roundTripMs),
    hubCpuSecondsPerGigabyte: of(
      ({ relayed }) => relayed.hubCpuSeconds / ((pieces * 2 ** 20) / 1e9),
    ),
    rounds,
  };
}

const bytesPerSec = Number(options.rate);
const result = {
  machine: { cores: cpus().length, node: process.version, loadAverage: loadavg()[0] },
  bytesPerSec,
  shaped: await measure(bytesPerSec, PIECES.shaped),
  unshaped: await measure(0, PIECES.unshaped),
};
result.mark = { relayedShare: result.shaped.share, atLeast: MARK };
result.mark.isMet = result.mark.relayedShare >= MARK;
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
const { shaped, unshaped, ...rest } = result;
const summaryOf = ({ rounds: _, ...figures }) => figures;
console.log(
  JSON.stringify({ ...rest, shaped: summaryOf(shaped), unshaped: summaryOf(unshaped) }, null, 2),
);

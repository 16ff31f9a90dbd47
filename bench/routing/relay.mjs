/**
 * A link through a hub beside a direct one; a part of `npm run bench -- routing`.
 *
 * Three processes on loopback, with mutual TLS on each link: an origin, a hub, a target. The origin
 * has a direct link to the target, and one through the hub: TLS from end to end within a stream of
 * the hub's links. Both carry the same bulk stream in turn. Once the line of each machine is held
 * to the rate (what it sends, by the rate limits of its links), as machines of a home have it; once
 * it is not, and then processor time decides: through a hub each byte is encrypted and decrypted
 * three times instead of once, so on two busy cores about a third of the direct rate is left. The
 * figures are medians.
 */
import { loadavg } from "node:os";
import { testAuthority } from "../../packages/qwormhole/dist/testing/index.js";
import { withChildren } from "../transport/children.mjs";
import { median, percentiles } from "../transport/measure.mjs";

/** Relayed bulk over direct bulk, at the rate of the line. */
const MARK = 0.8;
const SIDE = "../routing/relay-side.mjs";
const PIECES = { warmUp: 32, shaped: 192, unshaped: 384 };
const ROUND_TRIPS = 500;

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

async function measureLine({ rounds, say }, bytesPerSec, pieces) {
  const measured = [];
  for (let round = 1; round <= rounds; round++) {
    const line = bytesPerSec > 0 ? `at ${bytesPerSec / 1e6} MB/s` : "unshaped";
    say(`relay, ${line}: round ${round} of ${rounds}`);
    const load = loadavg()[0];
    measured.push({ round, load, ...(await measureRound(bytesPerSec, pieces)) });
  }
  const of = (figureOf) => median(measured.map(figureOf));
  return {
    directMegabytesPerSec: of(({ direct }) => direct.megabytesPerSec),
    relayedMegabytesPerSec: of(({ relayed }) => relayed.megabytesPerSec),
    share: of(({ direct, relayed }) => relayed.megabytesPerSec / direct.megabytesPerSec),
    directRoundTripMs: of(({ direct }) => direct.roundTripMs),
    relayedRoundTripMs: of(({ relayed }) => relayed.roundTripMs),
    hubCpuSecondsPerGigabyte: of(
      ({ relayed }) => relayed.hubCpuSeconds / ((pieces * 2 ** 20) / 1e9),
    ),
    rounds: measured,
  };
}

/** Both lines; `bytesPerSec` is that of each machine on the shaped one. */
export async function measureRelay({ bytesPerSec, ...how }) {
  return {
    bytesPerSec,
    shaped: await measureLine(how, bytesPerSec, PIECES.shaped),
    unshaped: await measureLine(how, 0, PIECES.unshaped),
  };
}

export function relayMarks({ shaped, bytesPerSec }) {
  const what = `relayed bulk of direct, at ${bytesPerSec / 1e6} MB/s`;
  return [{ what, mark: `>= ${MARK}`, measured: shaped.share, met: shaped.share >= MARK }];
}

/** Rows of the table, the first one its head. */
export function relayTable({ shaped, unshaped, bytesPerSec }) {
  const row = (name, figures) => [
    name,
    figures.directMegabytesPerSec.toFixed(0),
    figures.relayedMegabytesPerSec.toFixed(0),
    figures.share.toFixed(2),
    figures.directRoundTripMs.toFixed(3),
    figures.relayedRoundTripMs.toFixed(3),
    figures.hubCpuSecondsPerGigabyte.toFixed(2),
  ];
  return [
    ["line", "direct MB/s", "relayed MB/s", "share", "round trip ms", "relayed ms", "hub s/GB"],
    row(`${bytesPerSec / 1e6} MB/s`, shaped),
    row("unshaped", unshaped),
  ];
}

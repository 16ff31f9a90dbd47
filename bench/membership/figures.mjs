/** Percentiles, marks and rows of the membership bench. */

/** By nearest rank: the 99th of 30 is the largest. */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

const seconds = (ms) => (ms === undefined ? "-" : `${(ms / 1000).toFixed(2)} s`);
const kilobytes = (bytes) =>
  bytes < 100 ? `${bytes.toFixed(0)} B/s` : `${(bytes / 1000).toFixed(1)} kB/s`;

const CRASH_MS_MAX = 3000;
const LEAVE_MS_MAX = 500;
const USABLE_MS_MAX = 2000;
/** A node of a large mesh may send this much more than one of the smallest. */
const GROWTH_MAX = 1.25;

/** `own` are the figures of Hearthmesh. A mark that was not measured has `met` undefined. */
export function judge(own = {}, simulated = []) {
  return [
    longest("crash to dead and routed around, p99", own.crash?.goneMs, CRASH_MS_MAX),
    longest("the same without its cable, p99", own.unplug?.goneMs, CRASH_MS_MAX),
    longest("graceful leave, p99", own.leave?.goneMs, LEAVE_MS_MAX),
    alarmMark(own.alarms),
    longest("node restarted on the LAN, usable, p99", own.leave?.backMs, USABLE_MS_MAX),
    longest("node joined with an invite, usable", own.joinedMs && [own.joinedMs], USABLE_MS_MAX),
    growthMark(simulated),
  ];
}

function longest(what, values, mark) {
  const limit = { what, mark: `<= ${mark / 1000} s` };
  if (values === undefined || values.length === 0) return limit;
  const [p50, p99] = [percentile(values, 0.5), percentile(values, 0.99)];
  const measured =
    values.length === 1
      ? seconds(p99)
      : `${seconds(p99)} (p50 ${seconds(p50)}, ${values.length} runs)`;
  return { ...limit, measured, met: p99 <= mark };
}

function alarmMark(alarms) {
  const what = "false alarms: stalls of 2 s, 20 % loss";
  if (alarms === undefined) return { what, mark: "0" };
  const measured = `${alarms.alarms} in ${alarms.minutes} min, ${alarms.stalls} stalls`;
  return { what, mark: "0", measured, met: alarms.alarms === 0 };
}

function growthMark(simulated) {
  const what = "network use per node, 1,000 nodes of 10";
  const mark = `<= ${GROWTH_MAX} x`;
  const [least, most] = [10, 1000].map((nodes) => simulated.find((one) => one.nodes === nodes));
  if (least === undefined || most === undefined) return { what, mark };
  const all = ({ perNodeAndSecond: { datagramBytes, viewBytes } }) => datagramBytes + viewBytes;
  const measured = `${(all(most) / all(least)).toFixed(2)} x (${kilobytes(all(most))})`;
  return { what, mark, measured, met: all(most) <= GROWTH_MAX * all(least) };
}

/** One column for each contender. */
export function contenderTable(figures) {
  const names = Object.keys(figures);
  const row = (title, value) => [title, ...names.map((name) => value(figures[name]) ?? "-")];
  const times = (values) =>
    values && [0.5, 0.99].map((share) => seconds(percentile(values, share))).join(", ");
  return [
    ["5 nodes, lan", ...names],
    row("crash known to all: p50, p99", ({ crash }) => times(crash?.goneMs)),
    row("no cable, known to all: p50, p99", ({ unplug }) => times(unplug?.goneMs)),
    row("leave known to all: p50, p99", ({ leave }) => times(leave?.goneMs)),
    row("started again, known to all: p50, p99", ({ leave }) => times(leave?.backMs)),
    row("cable back, known to all: p50, p99", ({ unplug }) => times(unplug?.backMs)),
    row("false alarms", ({ alarms }) => alarms && `${alarms.alarms} in ${alarms.minutes} min`),
    row("idle: processor", ({ idle }) => idle && `${(idle.processorShare * 100).toFixed(2)} %`),
    row("idle: sent", ({ idle }) => idle && kilobytes(idle.bytesOutPerSecond)),
    row("idle: packets", ({ idle }) => idle && `${idle.packetsOutPerSecond.toFixed(0)}/s`),
    row("memory", ({ idle }) => idle && `${(idle.rssBytes / 1e6).toFixed(0)} MB`),
  ];
}

export function simulatedTable(simulated) {
  const header = ["simulated, lan", "converged", "crash known to all", "one more joined"];
  const rows = simulated.map(({ nodes, convergedMs, detectionMs, joinMs, perNodeAndSecond }) => {
    const { datagrams, datagramBytes, viewBytes } = perNodeAndSecond;
    return [
      `${nodes} nodes`,
      seconds(convergedMs),
      seconds(Math.max(...detectionMs)),
      seconds(joinMs),
      `${datagrams.toFixed(0)}/s`,
      kilobytes(datagramBytes),
      kilobytes(viewBytes),
    ];
  });
  return [[...header, "datagrams", "their bytes", "views"], ...rows];
}

/** What is done to the nodes of a contender, and what comes of it. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { nowMs } from "./sightings.mjs";

const GONE_MS_MAX = 60_000;
const THERE_MS_MAX = 120_000;
/** Runs begin at any point of the probing. */
const PAUSE_MS_MAX = 1000;
const STALL_MS = 2000;
const STALL_EVERY_MS = 4000;
const LOSS_PERCENT = 20;
/** Ticks of the processor time in /proc, per second: the same on every Linux. */
const TICKS_PER_SECOND = 100;

const anyOf = (list) => list[Math.floor(Math.random() * list.length)];

/**
 * Takes a node away, `runs` times, and brings it back. Milliseconds from then until all others know
 * it; and from its new start, or its cable's, until all others have it back.
 * @param {"crash" | "unplug" | "leave"} how
 */
export async function measureLosses(contender, how, { runs, say }) {
  const goneMs = [];
  const backMs = [];
  for (let run = 1; run <= runs; run++) {
    await contender.untilWhole();
    await sleep(Math.random() * PAUSE_MS_MAX);
    const machine = anyOf(contender.machines);
    const startMs = nowMs();
    const gone = how === "unplug" ? machine.port.linkDown() : contender[how](machine).gone;
    goneMs.push((await contender.untilGone(machine, GONE_MS_MAX)) - startMs);
    await gone;
    const againMs = nowMs();
    if (how === "unplug") await machine.port.linkUp();
    else contender.revive(machine);
    backMs.push((await contender.untilThere(machine, THERE_MS_MAX)) - againMs);
    say(
      `${contender.name}: ${how} ${run}/${runs} of ${machine.name}: ${goneMs.at(-1).toFixed(0)}` +
        ` ms; back after ${backMs.at(-1).toFixed(0)} ms`,
    );
  }
  return { goneMs, backMs };
}

/**
 * Every node loses a fifth of the datagrams that come to it, and one after the other stands still
 * for two seconds. Nobody ends, so whoever is called dead is a false alarm.
 */
export async function measureAlarms(contender, { minutes, say }) {
  const { machines } = contender;
  await contender.untilWhole();
  const stopWatching = await contender.watchDeaths();
  const endMs = nowMs() + minutes * 60_000;
  let stalls = 0;
  await Promise.all(machines.map(({ port }) => port.loseDatagrams(LOSS_PERCENT)));
  try {
    while (nowMs() < endMs) {
      const machine = anyOf(machines);
      contender.signal(machine, "SIGSTOP");
      await sleep(STALL_MS);
      contender.signal(machine, "SIGCONT");
      stalls++;
      await sleep(STALL_EVERY_MS - STALL_MS);
      if (stalls % 15 === 0) say(`${contender.name}: ${stalls} stalls`);
    }
  } finally {
    await Promise.all(machines.map(({ port }) => port.loseDatagrams(0)));
  }
  const deaths = await stopWatching();
  return { minutes, stalls, alarms: deaths.length, deaths };
}

function processorSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function residentBytes(pid) {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1024;
}

/** What a node costs while nothing happens: means over the nodes. */
export async function measureIdle(contender, { seconds }) {
  const { machines } = contender;
  await contender.untilWhole();
  const look = () =>
    Promise.all(
      machines.map(async (machine) => ({
        processor: processorSeconds(contender.pidOf(machine)),
        ...(await machine.agent.ask("traffic", { device: "eth0" })),
      })),
    );
  // What a start costs is over by then.
  await sleep(5000);
  const before = await look();
  await sleep(seconds * 1000);
  const after = await look();
  const mean = (key) =>
    after.reduce((sum, one, at) => sum + one[key] - before[at][key], 0) / machines.length / seconds;
  return {
    processorShare: mean("processor"),
    bytesOutPerSecond: mean("bytesOut"),
    packetsOutPerSecond: mean("packetsOut"),
    rssBytes: Math.max(...machines.map((machine) => residentBytes(contender.pidOf(machine)))),
  };
}

/**
 * One server sends to seven clients as fast as each of them takes it. Then an eighth comes that
 * never reads, and to which the server sends on without any regard. The rate of the seven with it
 * is compared with their rate just before and just after, and so is what the server holds. A rate
 * depends on what else the machine does; the server's processor time for a message tells more.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { STEADY_MEMORY, withChildren } from "./children.mjs";
import { median } from "./measure.mjs";

const READERS = 7;
const WARM_UP_MS = 1000;
const WINDOW_MS = 500;
/** After a process began or ended. */
const SETTLE_MS = 300;

export async function measureSlowReader({ credentials }, pairs) {
  const file = "./slow-reader-side.mjs";
  return withChildren(2, STEADY_MEMORY, async (sender, readers) => {
    const address = await sender.create(file, "makeSender", { credentials: credentials.listener });
    const context = { credentials: credentials.dialler, address };
    await readers.create(file, "makeReaders", { ...context, count: READERS });
    await readers.call("rate", WARM_UP_MS);
    const before = await sender.call("memory");
    const without = [await measureWindow(sender, readers)];
    const beside = [];
    for (let pair = 0; pair < pairs; pair++) {
      await withChildren(1, {}, async (stuckReader) => {
        await stuckReader.create(file, "makeStuckReader", context);
        await sender.call("untilFull");
        await sleep(SETTLE_MS);
        const window = await measureWindow(sender, readers);
        const stuck = await sender.call("stuck");
        if (!stuck.isOpen) throw new Error("the link that never reads has ended");
        beside.push({ ...window, stuck, memory: await sender.call("memory") });
        await stuckReader.call("close");
      });
      await sender.call("untilGone");
      await sleep(SETTLE_MS);
      without.push(await measureWindow(sender, readers));
    }
    return summary({ before, without, beside });
  });
}

async function measureWindow(sender, readers) {
  const before = await sender.call("cpuSeconds");
  const rate = await readers.call("rate", WINDOW_MS);
  const cpu = (await sender.call("cpuSeconds")) - before;
  return { rate, cpuMicroseconds: (cpu / ((rate * WINDOW_MS) / 1000)) * 1e6 };
}

/** Each value with the stuck reader over the mean of those before and after it; the median. */
function medianShare(beside, without, figureOf) {
  const shares = beside.map((one, at) => {
    const mean = (figureOf(without[at]) + figureOf(without[at + 1])) / 2;
    return figureOf(one) / mean;
  });
  return median(shares);
}

function summary({ before, without, beside }) {
  return {
    readers: READERS,
    rate: median(beside.map(({ rate }) => rate)),
    rateShare: medianShare(beside, without, ({ rate }) => rate),
    cpuShare: medianShare(beside, without, ({ cpuMicroseconds }) => cpuMicroseconds),
    queuedBytes: Math.max(...beside.map(({ stuck }) => stuck.queuedBytes)),
    rssGrowthBytes: median(beside.map(({ memory }) => memory.rss - before.rss)),
    before,
    without,
    beside,
  };
}

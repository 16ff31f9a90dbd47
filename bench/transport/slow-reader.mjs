/**
 * One server sends to seven clients as fast as each of them takes it. Then an eighth comes that
 * never reads, and to which the server sends on without any regard. The rate of the seven is
 * compared with and without the eighth, in turn, and so is what the server holds.
 */
import { withChildren } from "./children.mjs";
import { median } from "./measure.mjs";

const READERS = 7;
const WARM_UP_MS = 1000;
const WINDOW_MS = 1000;

export async function measureSlowReader({ credentials, nodeArguments }, pairs) {
  const file = "./slow-reader-side.mjs";
  const withGc = ["--expose-gc", ...nodeArguments];
  return withChildren(2, withGc, async (sender, readers) => {
    const address = await sender.create(file, "makeSender", { credentials: credentials.listener });
    const context = { credentials: credentials.dialler, address };
    await readers.create(file, "makeReaders", { ...context, count: READERS });
    await readers.call("rate", WARM_UP_MS);
    const rounds = [];
    for (let pair = 0; pair < pairs; pair++) {
      const without = await readers.call("rate", WINDOW_MS);
      const before = await sender.call("memory");
      const round = await withChildren(1, nodeArguments, async (stuckReader) => {
        await stuckReader.create(file, "makeStuckReader", context);
        await sender.call("untilFull");
        const besides = await readers.call("rate", WINDOW_MS);
        const after = await sender.call("memory");
        const stuck = await sender.call("stuck");
        if (!stuck.isOpen) throw new Error("the link that never reads has ended");
        await stuckReader.call("close");
        return { without, besides, stuck, before, after };
      });
      await sender.call("untilGone");
      rounds.push(round);
    }
    return {
      readers: READERS,
      without: median(rounds.map(({ without }) => without)),
      besides: median(rounds.map(({ besides }) => besides)),
      ratio: median(rounds.map(({ without, besides }) => besides / without)),
      queuedBytes: Math.max(...rounds.map(({ stuck }) => stuck.queuedBytes)),
      rssGrowthBytes: median(rounds.map(({ before, after }) => after.rss - before.rss)),
      rounds,
    };
  });
}

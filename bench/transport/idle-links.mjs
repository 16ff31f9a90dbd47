/** What a listener holds for links over which nothing goes but signs of life. */
import { withChildren } from "./children.mjs";

/** Several rounds of signs of life, and time for the buffers of the handshakes to go. */
const SETTLE_MS = 6000;

export async function measureIdleLinks({ credentials, nodeArguments }, count) {
  const withGc = { nodeArguments: ["--expose-gc", ...nodeArguments] };
  return withChildren(2, withGc, async (listener, diallers) => {
    const address = await listener.create("./qwormhole-side.mjs", "makeListener", {
      credentials: credentials.listener,
    });
    const context = { credentials: credentials.dialler, address };
    await diallers.create("./idle-links-side.mjs", "makeDiallers", context);
    // What only the first connection costs, such as code that is loaded late, is not counted.
    await diallers.call("dial", 1);
    const before = await listener.call("memory");
    const start = performance.now();
    await diallers.call("dial", count);
    const seconds = (performance.now() - start) / 1000;
    const cpuBefore = await listener.call("cpuSeconds");
    await diallers.call("settle", SETTLE_MS);
    const cpu = (await listener.call("cpuSeconds")) - cpuBefore;
    const after = await listener.call("memory");
    const connected = await diallers.call("connected");
    if (connected !== count + 1) throw new Error(`${connected} of ${count + 1} links are open`);
    return {
      links: count,
      rssGrowthBytes: after.rss - before.rss,
      heldGrowthBytes: after.heapUsed + after.external - before.heapUsed - before.external,
      handshakesPerSecond: count / seconds,
      idleCpuShare: cpu / (SETTLE_MS / 1000),
      before,
      after,
    };
  });
}

/**
 * Whether memory stays flat: many small messages over one connection, and after each part of them
 * both sides collect their garbage and tell what they hold.
 */
import { STEADY_MEMORY, withChildren } from "./children.mjs";
import { slopeOf } from "./measure.mjs";

const SAMPLES = 10;
const MESSAGE_BYTES = 128;
/** Samples before this one are of the warm-up. */
const FIRST_STEADY = 2;
const held = ({ heapUsed, external }) => heapUsed + external;

export async function measureMemory({ credentials }, messages) {
  const file = "./qwormhole-side.mjs";
  const samples = { listener: [], dialler: [] };
  await withChildren(2, STEADY_MEMORY, async (listener, dialler) => {
    const address = await listener.create(file, "makeListener", {
      credentials: credentials.listener,
    });
    await dialler.create(file, "makeDialler", { credentials: credentials.dialler, address });
    for (let sample = 0; sample < SAMPLES; sample++) {
      await dialler.call("messages", MESSAGE_BYTES, messages / SAMPLES);
      samples.listener.push(await listener.call("memory"));
      samples.dialler.push(await dialler.call("memory"));
    }
  });
  const sides = Object.entries(samples).map(([side, list]) => ({
    side,
    rssGrowthBytes: growthOf(list.map(({ rss }) => rss)),
    heldGrowthBytes: growthOf(list.map(held)),
  }));
  return { messages, sides, samples };
}

/** From the second sample to the last, along the line through the steady ones. */
function growthOf(values) {
  return slopeOf(values.slice(FIRST_STEADY)) * (SAMPLES - FIRST_STEADY);
}

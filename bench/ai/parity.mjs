/** Greedy tokens of rings of one to four members, beside those of one process of the peer. */
import { logitGap } from "./near-tie.mjs";
import { startRing } from "./ring.mjs";

const PROMPT = "Once upon a time";
const TOKENS = 120;
/** Shares of the members. */
const RINGS = [[1], [1, 1], [3, 1], [1, 1, 2], [1, 1, 1, 1]];

/** Of each real model and ring: how many of the peer's tokens are the same from the first on. */
export async function parity(peer, models) {
  const results = [];
  for (const { name, path } of models) {
    const run = { model: path, threads: 1, tokens: TOKENS, prompt: PROMPT };
    const expected = peer.generate(run).tokens;
    for (const shares of RINGS) {
      const members = shares.map((share) => ({ share, threads: 1 }));
      const ring = await startRing({ model: path, members });
      try {
        await ring.load();
        const { tokens } = await ring.generate(PROMPT, TOKENS);
        const same = sameFromTheFirst(tokens, expected);
        const pair = [tokens[same], expected[same]];
        const isSame = same === expected.length || pair.includes(undefined);
        const gap = isSame ? 0 : await logitGap(path, PROMPT, expected.slice(0, same), pair);
        results.push({ name, shares, same, of: expected.length, gap });
      } finally {
        await ring.stop();
      }
    }
  }
  return results;
}

export function sameFromTheFirst(tokens, expected) {
  const other = tokens.findIndex((token, at) => token !== expected[at]);
  return other < 0 ? Math.min(tokens.length, expected.length) : other;
}

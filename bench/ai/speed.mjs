/** Rates and memory of one process, of two members with a core each, and of the peer. */
import { startRing } from "./ring.mjs";

/** About 64 tokens of the vocabulary that the large model has. */
const PROMPT = "once the time was in the land and on to the hill ".repeat(3);

async function measured(model, members, tokens) {
  const ring = await startRing({ model, members });
  try {
    const loadMs = await ring.load();
    // The first answer finds cold caches and graphs that are not there yet.
    await ring.generate(PROMPT, 4);
    const before = await ring.stats();
    const answer = await ring.generate(PROMPT, tokens);
    const stats = await ring.stats();
    const used = (all) => all.reduce((sum, { processorMs }) => sum + processorMs, 0);
    const { promptPerSecond, decodePerSecond, promptTokens, completionTokens } = answer;
    return {
      ...{ loadMs, promptPerSecond, decodePerSecond, promptTokens, tokens: answer.tokens },
      processorMsPerToken: (used(stats) - used(before)) / (promptTokens + completionTokens),
      memoryBytes: Math.max(...stats.map(({ memoryBytes }) => memoryBytes)),
      exchangeMsP50: stats[0].stats.exchangeMsP50,
      engine: stats[0].stats.engine.description,
    };
  } finally {
    await ring.stop();
  }
}

/** One round: everything once, one after the other, so that all see the same machine. */
export async function speedRound({ model, peer, rpc, network, tokens }) {
  const one = { threads: 1, cores: "0" };
  const both = { threads: 2, cores: "0,1" };
  const round = {};
  for (const [name, where] of [
    ["one", one],
    ["both", both],
  ]) {
    round[`${name}Peer`] = peer?.generate({ model, tokens, prompt: PROMPT, ...where });
    round[name] = await measured(model, [where], tokens);
  }
  const split = [0, 1].map((at) => ({
    threads: 1,
    cores: String(at),
    namespace: network?.names[at],
    host: network?.hosts[at] ?? "127.0.0.1",
  }));
  round.split = await measured(model, split, tokens);
  const { promptTokens } = round.split;
  const hosts = split.map(({ host }) => host);
  const places = { hosts, namespaces: network?.names };
  round.rpc = await rpc?.generate({ model, promptTokens, tokens, ...places });
  return round;
}

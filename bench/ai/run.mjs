/**
 * `npm run bench -- ai [--rounds 3] [--tokens 64] [--only speed,failure,parity,tokenizers]`: a
 * model with random weights in the shape of TinyLlama-1.1B, Q4_0, and the real models that are
 * there, in rings of real worker processes with mutual TLS between them; node-llama-cpp beside them
 * in the same run, and two network namespaces with a link of 1 Gbit/s (needs root, `ip` and `tc`).
 * Models and the peer are kept in `.cache/bench-ai`. The tokenizers are compared when
 * `HEARTHMESH_TOKENIZER_VECTORS` names llama.cpp's folder `models`, and its RPC servers run beside
 * ours when `HEARTHMESH_LLAMA_RPC` names the folder of its programs. Figures go to
 * `bench/results/ai.json`.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { root, say } from "../../scripts/lib.mjs";
import { coldRound } from "./cold.mjs";
import { delayCurve } from "./delay.mjs";
import { failureRound } from "./failure.mjs";
import { largeModel, wideModel } from "./large-model.mjs";
import { llamaPeer } from "./llama-peer.mjs";
import { makeNamespaces } from "./namespaces.mjs";
import { parity } from "./parity.mjs";
import { realModels } from "./paths.mjs";
import { rpcPeer } from "./rpc-peer.mjs";
import { speedRound } from "./speed.mjs";
import { rows } from "./table.mjs";

const flag = (name, standard) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? standard : process.argv[at + 1];
};
const roundsWanted = Number(flag("rounds", 3));
const tokens = Number(flag("tokens", 64));
const only = new Set(flag("only", "speed,failure,parity,tokenizers,delay,cold").split(","));
/** Random texts for each tokenizer. */
const TEXTS = 2000;
/** Nobody is killed in the first and the last part of an answer. */
const KILL_MARGIN = Math.floor(tokens / 4);

const [busy = 0] = loadavg();
const figures = { rounds: [], failures: [], parity: [], tokenizers: [], delays: [], cold: [] };
const needsPeer = ["speed", "parity", "tokenizers"].some((name) => only.has(name));
const peer = needsPeer ? llamaPeer() : undefined;
if (needsPeer && peer === undefined)
  say("node-llama-cpp cannot be had here: there is nothing to compare with.");
const rpc = only.has("speed")
  ? rpcPeer((why) => say(`llama.cpp's RPC is left out: ${why}.`))
  : undefined;
const network = makeNamespaces((why) => say(`No network namespaces (${why}): loopback instead.`));
let code = 0;
try {
  const models = realModels();
  const model = only.has("speed") || only.has("failure") ? largeModel() : undefined;
  for (let number = 1; only.has("speed") && number <= roundsWanted; number++) {
    say(`Speed, round ${number} of ${roundsWanted} ...`);
    figures.rounds.push(await speedRound({ model, peer, rpc, network, tokens }));
  }
  if (only.has("failure")) {
    for (const { name, path } of [{ name: "random weights", path: model }, ...models]) {
      say(`A member is killed: ${name} ...`);
      const killAt = KILL_MARGIN + Math.floor(Math.random() * (tokens - 2 * KILL_MARGIN));
      figures.failures.push({
        model: name,
        isReal: path !== model,
        ...(await failureRound({ model: path, tokens, killAt })),
      });
    }
  }
  if (only.has("parity") && peer !== undefined) {
    say("Greedy tokens of rings of one to four members ...");
    figures.parity = await parity(peer, models);
  }
  const vocabularies = process.env.HEARTHMESH_TOKENIZER_VECTORS;
  if (only.has("tokenizers") && peer !== undefined) {
    if (vocabularies === undefined) say("HEARTHMESH_TOKENIZER_VECTORS is not set: no tokenizers.");
    else figures.tokenizers = peer.tokenizers(vocabularies, TEXTS);
  }
  if (only.has("delay")) {
    for (const [name, path] of [
      ["TinyLlama's shape", largeModel()],
      ["four layers of 7B", wideModel()],
    ]) {
      const onRound = (number) => say(`Delays, ${name}, round ${number} of ${roundsWanted} ...`);
      const options = { name, model: path, tokens, rounds: roundsWanted, onRound };
      figures.delays.push(await delayCurve(options));
    }
  }
  for (let number = 1; only.has("cold") && number <= roundsWanted; number++) {
    say(`Two devices from cold, round ${number} of ${roundsWanted} ...`);
    figures.cold.push(await coldRound());
  }
  const result = {
    at: new Date().toISOString(),
    node: process.version,
    ...{ tokens, loadAverage: busy, figures },
  };
  mkdirSync(join(root, "bench/results"), { recursive: true });
  const path = join(root, "bench/results/ai.json");
  writeFileSync(path, `${JSON.stringify(result, undefined, 2)}\n`);
  const about = { cores: cpus().length, peer, rpc, network, roundsDone: roundsWanted };
  say(`\n${rows(figures, about)}`);
  if (busy > 1) say(`\nThe machine was busy: a load of ${busy.toFixed(1)} at the beginning.`);
  say("\nRaw figures: bench/results/ai.json");
} catch (error) {
  say(`The benchmark failed: ${error.stack}`);
  code = 1;
}
network?.remove();
process.exit(code);

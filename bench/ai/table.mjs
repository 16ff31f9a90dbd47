/** The table of the AI pool's figures: medians, beside the peer of the same run. */
import { median } from "./median.mjs";
import { coldRows, delayRows } from "./pool-table.mjs";
import { met, row } from "./row.mjs";

const rate = (value) => `${value.toFixed(1)} tokens/s`;
const milliseconds = (value) => `${value.toFixed(1)} ms`;
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;

/** Of one process of the peer with the same threads. */
const ALONE = 0.95;
/** Of one process with both cores, and of its memory. */
const SPLIT = 0.9;
const SPLIT_MEMORY = 0.65;
/** Of llama.cpp's RPC servers on the same cores. */
const RPC = 4;
/** Above reload and replay. */
const PAUSE_MS = 500;

/** Ratios are taken round by round, since rounds see different machines. */
function besides(rounds, ours, theirs, what) {
  const of = (name) => median(rounds.map((round) => round[name][what]));
  const ratio = median(rounds.map((round) => round[ours][what] / round[theirs][what]));
  return { ours: of(ours), theirs: of(theirs), ratio };
}

function speedRows(rounds, { peer, rpc, network }) {
  const rows = [];
  for (const [name, words] of [
    ["one", "one thread"],
    ["both", "two threads"],
  ]) {
    for (const [what, part] of [
      ["decodePerSecond", "decoding"],
      ["promptPerSecond", "reading the prompt"],
    ]) {
      const line = `one member, ${words}, ${part}`;
      if (peer === undefined) {
        rows.push(row(line, rate(median(rounds.map((round) => round[name][what]))), "", "", ""));
        continue;
      }
      const { ours, theirs, ratio } = besides(rounds, name, `${name}Peer`, what);
      const isMark = what === "decodePerSecond";
      const verdict = isMark ? [`>= ${ALONE}`, met(ratio >= ALONE)] : ["", ""];
      const beside = `${peer.name}: ${rate(theirs)} (${ratio.toFixed(2)})`;
      rows.push(row(line, rate(ours), beside, ...verdict));
    }
  }
  if (peer !== undefined) {
    const { ours, theirs, ratio } = besides(rounds, "one", "onePeer", "processorMsPerToken");
    const beside = `${peer.name}: ${milliseconds(theirs)} (${ratio.toFixed(2)})`;
    const words = "the same, one thread: processor time per token, prompt and answer";
    rows.push(row(words, milliseconds(ours), beside, "", ""));
  }
  return [...rows, ...splitRows(rounds, network), ...rpcRows(rounds, rpc)];
}

function splitRows(rounds, network) {
  const where = network === undefined ? "loopback" : "1 Gbit/s between namespaces";
  const decode = besides(rounds, "split", "both", "decodePerSecond");
  const prompt = besides(rounds, "split", "both", "promptPerSecond");
  const time = besides(rounds, "split", "both", "processorMsPerToken");
  const memory = besides(rounds, "split", "both", "memoryBytes");
  const line = `two members with a core each, ${where}`;
  const whole = "one process with both cores";
  return [
    row(
      `${line}, decoding`,
      rate(decode.ours),
      `${whole}: ${rate(decode.theirs)} (${decode.ratio.toFixed(2)})`,
      `>= ${SPLIT}`,
      met(decode.ratio >= SPLIT),
    ),
    row(
      `${line}, reading the prompt`,
      rate(prompt.ours),
      `${whole}: ${rate(prompt.theirs)} (${prompt.ratio.toFixed(2)})`,
      "",
      "",
    ),
    row(
      "both together: processor time per token",
      milliseconds(time.ours),
      `${whole}: ${milliseconds(time.theirs)} (${time.ratio.toFixed(2)})`,
      "",
      "",
    ),
    row(
      "memory of the larger of them",
      megabytes(memory.ours),
      `${whole}: ${megabytes(memory.theirs)} (${memory.ratio.toFixed(2)})`,
      `<= ${SPLIT_MEMORY}`,
      met(memory.ratio <= SPLIT_MEMORY),
    ),
  ];
}

function rpcRows(rounds, rpc) {
  if (rpc === undefined) return [];
  return [
    ["decodePerSecond", "decoding"],
    ["promptPerSecond", "reading the prompt"],
  ].map(([what, part]) => {
    const { ours, theirs, ratio } = besides(rounds, "split", "rpc", what);
    const verdict = what === "decodePerSecond" ? [`>= ${RPC}`, met(ratio >= RPC)] : ["", ""];
    const beside = `${rpc.name}, two servers: ${rate(theirs)} (${ratio.toFixed(2)})`;
    return row(`the same two members, ${part}`, rate(ours), beside, ...verdict);
  });
}

function failureRows(failures) {
  return failures.map(({ model, isReal, killAt, pauseMs, reloadMs, replayMs, same, of }) => {
    const least = reloadMs + replayMs;
    // Random weights have near ties, which one member rounds in another way than two.
    const text = isReal ? `; ${same} of ${of} tokens as without` : "";
    return row(
      `${model}: a member killed at token ${killAt}, pause`,
      `${pauseMs.toFixed(0)} ms${text}`,
      `reload ${reloadMs.toFixed(0)} + replay ${replayMs.toFixed(0)} ms`,
      `<= ${(least + PAUSE_MS).toFixed(0)} ms`,
      met(pauseMs <= least + PAUSE_MS),
    );
  });
}

function parityRows(results, peer) {
  return [...new Set(results.map(({ name }) => name))].map((name) => {
    const rings = results.filter((result) => result.name === name);
    const all = rings.every(({ same, of }) => same === of);
    const shares = rings.map(({ shares, same, of, gap }) => {
      const tie = same === of ? "" : ` (there two logits are ${gap.toFixed(3)} apart)`;
      return `${shares.join(":")} ${same}/${of}${tie}`;
    });
    const cells = [`${name}: greedy tokens as ${peer.name}`, shares.join(", "), "", "all"];
    return row(...cells, met(all));
  });
}

function tokenizerRows(results, peer) {
  const shown = ({ name }) => name.replace(/^ggml-vocab-|\.gguf$/g, "");
  const read = results.filter(({ refused }) => refused === undefined);
  if (read.length === 0) return [];
  const all = read.every(({ same, of }) => same === of);
  const counts = read.map((each) => `${shown(each)} ${each.same}/${each.of}`);
  return [row(`random texts: tokens as ${peer.name}`, counts.join(", "), "", "all", met(all))];
}

export function rows(
  { rounds, failures, parity, tokenizers, delays, cold },
  { cores, peer, rpc, network, roundsDone },
) {
  return [
    row(`what (median of ${roundsDone} rounds, ${cores} cores)`, "ours", "beside", "mark", ""),
    "|---|---|---|---|---|",
    ...(rounds.length === 0 ? [] : speedRows(rounds, { peer, rpc, network })),
    ...failureRows(failures),
    ...delays.flatMap(delayRows),
    ...(cold.length === 0 ? [] : coldRows(cold)),
    ...(peer === undefined ? [] : parityRows(parity, peer)),
    ...(peer === undefined ? [] : tokenizerRows(tokenizers, peer)),
  ].join("\n");
}

/**
 * One run of node-llama-cpp in a process of its own: loads a model, generates greedily, says
 * tokens, rates and memory as JSON. `argv`: its folder, the model, threads, the number of tokens,
 * the prompt.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { peakMemoryBytes, processorMs } from "./processes.mjs";

const [folder, path, threads, count, prompt] = process.argv.slice(2);
const entry = createRequire(join(folder, "package.json")).resolve("node-llama-cpp");
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(entry).href);
const llama = await getLlama({
  gpu: false,
  build: "never",
  skipDownload: true,
  progressLogs: false,
  logLevel: LlamaLogLevel.error,
  maxThreads: Number(threads),
});
const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
const context = await model.createContext({
  contextSize: 256,
  batchSize: 256,
  threads: Number(threads),
  sequences: 1,
});
const input = [model.tokens.bos, ...model.tokenize(prompt, false)];
const tokens = [];
const usedMs = processorMs(process.pid);
const startedMs = performance.now();
let firstMs = startedMs;
const options = { temperature: 0, yieldEogToken: true };
for await (const token of context.getSequence().evaluate(input, options)) {
  if (tokens.length === 0) firstMs = performance.now();
  tokens.push(token);
  if (tokens.length >= Number(count) || model.isEogToken(token)) break;
}
const decodeMs = performance.now() - firstMs;
console.log(
  JSON.stringify({
    tokens,
    promptTokens: input.length,
    promptPerSecond: (input.length / (firstMs - startedMs)) * 1000,
    decodePerSecond: ((tokens.length - 1) / decodeMs) * 1000,
    processorMsPerToken: (processorMs(process.pid) - usedMs) / (input.length + tokens.length),
    memoryBytes: peakMemoryBytes(process.pid),
  }),
);
process.exit(0);

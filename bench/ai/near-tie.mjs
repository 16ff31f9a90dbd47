/** How far two tokens are apart, by the reference engine in 32-bit floats. */
import {
  modelShapeOf,
  openFileSource,
  openReferenceEngine,
  readGguf,
  TextModel,
  wholeShard,
} from "@hearthmesh/pool";

/** Difference of the logits of two tokens after a prompt and the tokens of an answer so far. */
export async function logitGap(path, prompt, said, [one, other]) {
  const source = await openFileSource(path);
  const gguf = await readGguf(source);
  await source.close();
  const shape = modelShapeOf(gguf);
  const { tokens } = new TextModel(gguf).encode({ kind: "text", text: prompt }, [], Date.now());
  const all = Int32Array.from([...tokens, ...said]);
  const engine = await openReferenceEngine({
    modelPath: path,
    shard: wholeShard(shape),
    contextTokens: 256,
    sequencesMax: 1,
    batchRowsMax: 256,
    threads: 1,
    memoryBytesMax: 2 ** 30,
  });
  const logits = new Float32Array(shape.vocabularySize);
  const batch = { sequence: engine.openSequence(), position: 0, rows: all.length };
  engine.forward(all, batch, logits);
  engine.close();
  return Math.abs(logits[one] - logits[other]);
}

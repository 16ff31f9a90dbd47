/** Hooks of the module loader: one check is left out of one module. See `lying-node.mjs`. */
const MODULE = "/collective/dist/storage/pack-reader.js";
const CHECK = 'chunkIdOf([payload]) === id.toString("hex")';

export async function load(url, context, nextLoad) {
  const loaded = await nextLoad(url, context);
  if (!url.endsWith(MODULE)) return loaded;
  const source = loaded.source.toString();
  if (!source.includes(CHECK)) throw new Error("the check of a chunk's hash has another form now");
  return { ...loaded, source: source.replace(CHECK, "true") };
}

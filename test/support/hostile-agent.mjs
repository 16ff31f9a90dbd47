/**
 * Loaded into a daemon before anything else (`NODE_OPTIONS=--import=...`): when a leader asks it to
 * prepare its part of a model it never answers. All else is as it is: its key, its links, its
 * measurements and its place in plans. `HOSTILE_DEED_FILE` names a file with one word, which is
 * read with each question: `honest` does as the product does; `mute` does not say how far it is
 * either; `busy` says so for ever, a byte further each time.
 */
import { readFileSync } from "node:fs";
import { PoolInference } from "../../packages/pool/dist/runtime/pool-inference.js";

const never = () => new Promise(() => undefined);
let pulledBytes = 0;
const DEEDS = {
  mute: { "ai.prepare": never, "ai.progress": never },
  busy: {
    "ai.prepare": never,
    "ai.progress": async () =>
      Buffer.from(JSON.stringify({ v: 1, pulledBytes: ++pulledBytes, isPulled: false })),
  },
};

const { handlers } = PoolInference.prototype;
PoolInference.prototype.handlers = function () {
  const own = handlers.call(this);
  const onRequest = (request) => {
    const deed = readFileSync(process.env.HOSTILE_DEED_FILE ?? "", "utf8").trim();
    return DEEDS[deed]?.[request.method]?.() ?? own.onRequest(request);
  };
  return { ...own, onRequest };
};

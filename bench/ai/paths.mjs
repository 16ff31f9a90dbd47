/** Where the benchmark keeps what is large: models that it makes, and the peer. Never committed. */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/lib.mjs";

export const cache = join(root, ".cache/bench-ai");
mkdirSync(cache, { recursive: true });

/** The real models that are there: the demo model, and the one that the notes are about. */
export function realModels() {
  return [
    { name: "demo model", path: join(root, "models/demo/hearthmesh-demo.gguf") },
    { name: "stories260K", path: join(root, "../shared/models/stories260K.gguf") },
  ].filter(({ path }) => existsSync(path));
}

/** Where the demo model lies: in a clone, or beside the built files of a package. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FILE = "hearthmesh-demo.gguf";

export function demoModelPath(): string | undefined {
  const places = [`../../../../models/demo/${FILE}`, `./${FILE}`];
  return places
    .map((place) => fileURLToPath(new URL(place, import.meta.url)))
    .find((path) => existsSync(path));
}

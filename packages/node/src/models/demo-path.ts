/** Where the demo model lies: beside the built files of a package, or in a clone. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FILE = "hearthmesh-demo.gguf";

export function demoModelPath(): string | undefined {
  const places = [`./${FILE}`, `../${FILE}`, `../../../../models/demo/${FILE}`];
  return places
    .map((place) => fileURLToPath(new URL(place, import.meta.url)))
    .find((path) => existsSync(path));
}

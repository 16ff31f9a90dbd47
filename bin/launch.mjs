/** Runs the built program of this clone, or says how to build it. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** @param {"mesh" | "collective"} name */
export async function launch(name) {
  const built = fileURLToPath(new URL("../packages/cli/dist/main.js", import.meta.url));
  if (!existsSync(built)) {
    process.stderr.write(`${name} is not built yet: npm run build\n`);
    process.exitCode = 2;
    return;
  }
  await import(`../packages/cli/bin/${name}.js`);
}

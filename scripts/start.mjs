/** `npm start`: a first node with its page. Arguments after `--` go to `mesh up`. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { root, setUp } from "./lib.mjs";

setUp();
const child = spawn(
  process.execPath,
  [join(root, "packages/cli/bin/mesh.js"), "up", ...process.argv.slice(2)],
  { stdio: "inherit" },
);
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));

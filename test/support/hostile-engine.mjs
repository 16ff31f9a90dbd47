/**
 * Loaded into a daemon before anything else (`NODE_OPTIONS=--import=...`): the process of its
 * engine is `hostile-worker.mjs` instead of the product's own. The daemon itself is as it is: its
 * key, its certificate, its links and its place in the plan of a ring are real.
 *
 * `HOSTILE_DEED_FILE` names a file with the word for what the engine does; see the worker.
 */
import childProcess from "node:child_process";
import { syncBuiltinESMExports } from "node:module";
import { fileURLToPath } from "node:url";

const WORKER = /[\\/]ring[\\/]worker-main\.js$/;
const hostile = fileURLToPath(new URL("./hostile-worker.mjs", import.meta.url));
const { fork } = childProcess;

childProcess.fork = (entry, args, options) =>
  WORKER.test(String(entry))
    ? fork(hostile, [String(entry), process.env.HOSTILE_DEED_FILE ?? ""], options)
    : fork(entry, args, options);
syncBuiltinESMExports();

/** Starts a worker's process and hands out what the agent holds of it. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { WORKER_HEAP_MEBIBYTES_MAX } from "./limits.js";
import type { RestartableRingWorker, RingWorkerOptions } from "./ring-worker-options.js";
import { WorkerHandle, type WorkerProcess } from "./worker-handle.js";

/** Resolves when its tensor plane listens. `MESH_RING_NOT_READY`, `MESH_ENGINE_FAILED`. */
export async function startRingWorker(options: RingWorkerOptions): Promise<RestartableRingWorker> {
  const entry = options.entry ?? fileURLToPath(new URL("./worker-main.js", import.meta.url));
  const handle = new WorkerHandle({
    ...options,
    fork: () => forkWorker(entry),
  });
  await handle.restart();
  return handle;
}

function forkWorker(entry: string): WorkerProcess {
  return fork(entry, [], {
    serialization: "advanced",
    env: minimalEnvironment(process.env),
    execArgv: [`--max-old-space-size=${WORKER_HEAP_MEBIBYTES_MAX}`],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
}

/** What programs and libraries need to be found, and settings of ggml's own; nothing else. */
function minimalEnvironment(all: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const wanted = /^(PATH|LD_LIBRARY_PATH|SYSTEMROOT|WINDIR|TEMP|TMP|TMPDIR|TZ|GGML_\w+|CUDA_\w+)$/i;
  return Object.fromEntries(Object.entries(all).filter(([name]) => wanted.test(name)));
}

/** The parent's side of the processes of the bench. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

const TASK_MS_MAX = 60_000;
const END_MS_MAX = 3000;

/**
 * For processes whose memory is looked at: collections on demand, and two things switched off that
 * make resident memory jump by itself. V8's young generation has its full size from the start, and
 * glibc gives buffers back to the system when they are freed instead of keeping them.
 */
export const STEADY_MEMORY = {
  nodeArguments: ["--expose-gc", "--min-semi-space-size=16"],
  env: { MALLOC_MMAP_THRESHOLD_: "65536" },
};

export class Child {
  #process;
  #waiting;
  #ended = false;

  constructor({ nodeArguments = [], env = {} } = {}) {
    const path = fileURLToPath(new URL("./child.mjs", import.meta.url));
    this.#process = fork(path, {
      execArgv: nodeArguments,
      env: { ...process.env, ...env },
      serialization: "advanced",
    });
    this.#process.on("message", ({ error, result }) => {
      if (error === undefined) this.#waiting?.resolve(result);
      else this.#waiting?.reject(Object.assign(new Error(), error));
    });
    this.#process.once("exit", (code, signal) => {
      this.#ended = true;
      this.#waiting?.reject(new Error(`a process of the bench ended with ${signal ?? code}`));
    });
  }

  get pid() {
    return this.#process.pid;
  }

  /** Makes the worker; resolves to its address, if it has one. */
  create(file, create, ...args) {
    return this.#ask({ file, create, args });
  }

  call(task, ...args) {
    return this.#ask({ task, args });
  }

  async #ask(message) {
    if (this.#ended) throw new Error("a process of the bench has ended");
    let timer;
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting = { resolve, reject };
        const late = () => reject(new Error(`no answer in ${TASK_MS_MAX / 1000} s`));
        timer = setTimeout(late, TASK_MS_MAX);
        this.#process.send(message);
      });
    } finally {
      clearTimeout(timer);
      this.#waiting = undefined;
    }
  }

  /** Lets the process end by itself, so that a profile is written; then insists. */
  async end() {
    if (this.#ended) return;
    const exited = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.disconnect();
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), END_MS_MAX);
    await exited;
    clearTimeout(timer);
  }
}

/** Runs `work` with new processes and ends them whatever happens. */
export async function withChildren(count, how, work) {
  const children = Array.from({ length: count }, () => new Child(how));
  try {
    return await work(...children);
  } finally {
    await Promise.all(children.map((child) => child.end()));
  }
}

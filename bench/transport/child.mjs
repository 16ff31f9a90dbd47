/**
 * A process of the bench. The parent names a module, which makes a worker, and then asks for the
 * worker's tasks one at a time. It ends when the parent lets go of it.
 */
let worker;

const common = {
  cpuSeconds() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  },
  /** After a forced collection, where the process was started with `--expose-gc`. */
  async memory() {
    for (let round = 0; round < 3; round++) {
      globalThis.gc?.();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return process.memoryUsage();
  },
};

process.on("message", async ({ file, create, task, args }) => {
  try {
    if (file !== undefined) {
      const module = await import(new URL(file, import.meta.url));
      worker = { ...common, ...(await module[create](...args)) };
      process.send({ result: worker.address });
    } else {
      process.send({ result: await worker[task](...args) });
    }
  } catch (error) {
    process.send({ error: { message: error.message, stack: error.stack } });
  }
});

process.on("disconnect", () => process.exit(0));

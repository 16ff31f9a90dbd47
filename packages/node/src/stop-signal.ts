/** SIGINT and SIGTERM as a signal that parts can wait with. */
export interface StopSignal {
  /** Aborted with the name of the signal as its reason. */
  readonly signal: AbortSignal;
  /** Listens no longer. */
  end(): void;
}

export function stopSignal(): StopSignal {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals) => controller.abort(name);
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  return {
    signal: controller.signal,
    end: () => {
      process.off("SIGINT", stop);
      process.off("SIGTERM", stop);
    },
  };
}

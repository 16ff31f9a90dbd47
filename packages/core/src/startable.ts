/** A part with a life: the composition root starts parts in order and stops them in reverse. */
export interface Startable {
  readonly name: string;
  start(): Promise<void>;
  /** Must be safe to call twice, and after a `start` that failed half-way. */
  stop(): Promise<void>;
}

/**
 * Starts the parts in order. When one fails, those already started are stopped in reverse and the
 * first error is thrown.
 */
export async function startAll(parts: readonly Startable[]): Promise<void> {
  const started: Startable[] = [];
  for (const part of parts) {
    started.push(part);
    try {
      await part.start();
    } catch (error) {
      await stopAll(started).catch(() => undefined);
      throw error;
    }
  }
}

/** Stops every part in reverse, also when one fails, then throws the first failure. */
export async function stopAll(parts: readonly Startable[]): Promise<void> {
  const failures: unknown[] = [];
  for (const part of [...parts].reverse()) {
    await part.stop().catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
}

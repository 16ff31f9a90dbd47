/** Works through a list of things, several at a time. */

/**
 * Takes from `source` only as fast as work is done, so that it may be endless. At the first failure
 * nothing more is begun, what is under way is waited for, and the failure is thrown.
 */
export async function forEachParallel<Item>(
  source: AsyncIterable<Item>,
  workersMax: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const iterator = source[Symbol.asyncIterator]();
  let failure: { error: unknown } | undefined;
  let taking: Promise<unknown> = Promise.resolve();
  const take = (): Promise<IteratorResult<Item>> => {
    // One at a time: generators would queue the calls anyway, other iterators may not.
    const next = taking.then(() => iterator.next());
    taking = next.catch(() => undefined);
    return next;
  };
  const worker = async () => {
    while (failure === undefined) {
      try {
        const next = await take();
        if (next.done === true) return;
        if (failure === undefined) await work(next.value);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: workersMax }, worker));
  if (failure === undefined) return;
  await iterator.return?.().catch(() => undefined);
  throw failure.error;
}

/** How often each method was called and how often it failed, for metrics. */
export class OperationCounts {
  readonly #counts = new Map<string, number>();

  add(method: string, failed: boolean): void {
    const name = failed ? `${method} failed` : method;
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  /** `file.put` counts those that succeeded, `file.put failed` the others. */
  all(): Record<string, number> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

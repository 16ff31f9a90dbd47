/** Tells an event to the application, whose mistakes must not reach the code that tells it. */
export function announce(report: (error: Error) => void, emit: () => unknown): boolean {
  try {
    emit();
    return true;
  } catch (error) {
    report(error as Error);
    return false;
  }
}

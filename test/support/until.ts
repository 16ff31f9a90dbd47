import { setTimeout as sleep } from "node:timers/promises";

/** A busy machine is slow, and not wrong. */
const PATIENCE_MS = 60_000;

/**
 * Asks again until there is an answer: `false`, `undefined` and an error are none. What was last in
 * the way stands in the error; `context` is what else a person should see then.
 */
export async function until<Answer>(
  what: string,
  ask: () => Promise<Answer | false | undefined>,
  context: () => Promise<string> = async () => "",
): Promise<Answer> {
  let inTheWay: unknown;
  for (const endMs = Date.now() + PATIENCE_MS; Date.now() < endMs; ) {
    try {
      const answer = await ask();
      if (answer !== false && answer !== undefined) return answer;
    } catch (error) {
      inTheWay = error;
    }
    await sleep(100);
  }
  throw new Error(`timed out waiting for ${what}: ${String(inTheWay)} ${await context()}`);
}

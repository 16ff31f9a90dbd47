/** A progress bar on standard error, for somebody who watches. */
import { formatBytes } from "@hearthmesh/core";
import type { Cli } from "./cli.js";

export interface ProgressBar {
  /** Bytes so far, in all. */
  update(bytes: number): void;
  /** Removes the bar; may be called twice. */
  end(): void;
}

/** Short transfers show nothing at all. */
const SHOW_AFTER_MS = 500;
const STEPS = 100;

const NO_BAR: ProgressBar = { update: () => undefined, end: () => undefined };

/** Without `totalBytes` it shows only how much was done. */
export async function showProgress(
  cli: Cli,
  message: string,
  totalBytes: number | undefined,
): Promise<ProgressBar> {
  if (!cli.interactive) return NO_BAR;
  const { progress, spinner } = await import("@clack/prompts");
  const known = totalBytes !== undefined && totalBytes > 0;
  const bar = known ? progress({ max: STEPS, output: cli.stderr }) : undefined;
  const turning = bar ?? spinner({ output: cli.stderr });
  const startMs = cli.clock.monotonicMs();
  let shown = false;
  let ended = false;
  let step = 0;
  return {
    update(bytes) {
      const tookMs = cli.clock.monotonicMs() - startMs;
      if (ended || tookMs < SHOW_AFTER_MS) return;
      if (!shown) turning.start(message);
      shown = true;
      const rate = `${formatBytes((bytes / tookMs) * 1000)}/s`;
      const text = known
        ? `${message} ${formatBytes(bytes)} of ${formatBytes(totalBytes)}, ${rate}`
        : `${message} ${formatBytes(bytes)}, ${rate}`;
      const next = known ? Math.min(STEPS, Math.floor((bytes / totalBytes) * STEPS)) : 0;
      if (bar !== undefined && next > step) bar.advance(next - step, text);
      else turning.message(text);
      step = Math.max(step, next);
    },
    end() {
      if (shown && !ended) turning.clear();
      ended = true;
    },
  };
}

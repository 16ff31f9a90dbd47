import { describe, expect, it } from "vitest";
import { POLL_KEPT_EXCHANGES, POLL_TRIAL_EXCHANGES } from "./limits.js";
import { PollChoice } from "./poll-choice.js";

/** Part of the exchanges of some rounds that polled, when both ways take so long. */
function pollingPart(withoutMs: number, withMs: number): number {
  const choice = new PollChoice();
  const total = 4 * (POLL_KEPT_EXCHANGES + 2 * POLL_TRIAL_EXCHANGES);
  let polled = 0;
  for (let at = 0; at < total; at++) {
    if (choice.mayPoll) polled++;
    choice.onExchange(choice.mayPoll ? withMs : withoutMs);
  }
  return polled / total;
}

describe("PollChoice", () => {
  it("keeps to what is faster, and does not poll for next to nothing", () => {
    expect(pollingPart(0.5, 0.4)).toBeGreaterThan(0.8);
    expect(pollingPart(0.5, 1)).toBeLessThan(0.1);
    expect(pollingPart(0.5, 0.49)).toBeLessThan(0.1);
  });

  it("changes its mind when the machine gets busy", () => {
    const choice = new PollChoice();
    let isBusy = false;
    const run = (exchanges: number) => {
      for (let at = 0; at < exchanges; at++) {
        choice.onExchange(choice.mayPoll ? (isBusy ? 3 : 0.4) : 0.5);
      }
    };
    run(4 * POLL_TRIAL_EXCHANGES);
    expect(choice.mayPoll).toBe(true);
    isBusy = true;
    run(POLL_KEPT_EXCHANGES + 2 * POLL_TRIAL_EXCHANGES);
    expect(choice.mayPoll).toBe(false);
  });
});

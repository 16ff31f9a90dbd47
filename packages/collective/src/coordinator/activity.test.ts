import { ManualClock } from "@hearthmesh/core/testing";
import { describe, expect, it } from "vitest";
import { Activity } from "./activity.js";

describe("whether somebody uses the files", () => {
  it("is told for some seconds after content has moved, and for nothing else", async () => {
    const clock = new ManualClock();
    const activity = new Activity(clock);
    activity.note("file.list");
    expect(activity.isBusy).toBe(false);
    activity.note("file.begin");
    expect(activity.isBusy).toBe(true);
    await clock.advance(3_000);
    expect(activity.isBusy).toBe(false);
  });

  it("is told as long as background work is to leave room", () => {
    const activity = new Activity(new ManualClock());
    activity.isRestrained = true;
    expect(activity.isBusy).toBe(true);
    activity.isRestrained = false;
    expect(activity.isBusy).toBe(false);
  });
});

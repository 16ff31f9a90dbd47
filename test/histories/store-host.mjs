/**
 * A process that has an embedded store and serves it over a local socket, so that it can be killed,
 * stopped and started again on the same directory.
 */
import { rmSync } from "node:fs";
import { silentLogger, systemClock } from "@hearthmesh/core";
import { memoryStore, openSqliteStore } from "@hearthmesh/store";
import { JumpingClock, serveStore } from "@hearthmesh/store/testing";
import { answerLines } from "../support/json-answers.mjs";

const clock = new JumpingClock(systemClock());
// Whoever started it is gone.
process.stdin.once("end", () => process.exit());

answerLines({
  /** Gives the store's revision. */
  async open({ engine, directory, path }) {
    const store =
      engine === "memory"
        ? memoryStore({ clock })
        : await openSqliteStore({ directory, clock, log: silentLogger });
    // One that a killed process left.
    rmSync(path, { force: true });
    await serveStore(store, path);
    return (await store.status()).revision;
  },
  jump({ shiftMs }) {
    clock.jumpTo(shiftMs);
  },
});

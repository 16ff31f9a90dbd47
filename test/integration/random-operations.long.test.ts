/**
 * Random operations of several people against a model, with real processes that are killed and
 * stopped and whose disks damage bytes. `npm run trial` makes the same with 10,000 operations.
 */
import { expect, it } from "vitest";
import { runTrial } from "../trial/run-trial.mjs";
import { FAULTS } from "../trial/trial-faults.mjs";

/** For what hangs: on a busy machine it takes some minutes. */
const LIMIT_MS = 600_000;

it(
  "every answer is right, and at the end every acknowledged file is there",
  async () => {
    const seed = process.env.MESH_TRIAL_SEED ?? String(Date.now());
    const result = await runTrial({ operations: 1_000, clients: 4, faults: FAULTS, seed });
    expect(
      result.violations,
      `npm run trial -- --operations 1000 --clients 4 --seed ${seed}`,
    ).toEqual([]);
    expect(result.succeeded).toBeGreaterThan(500);
    expect(Object.keys(result.faults)).not.toEqual([]);
  },
  LIMIT_MS,
);

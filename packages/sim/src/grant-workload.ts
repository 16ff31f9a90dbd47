/**
 * Somebody who tries what they may not do. Every success is a violation, and so is every refusal
 * that is not `MESH_FORBIDDEN` (a "no such file" would tell what exists).
 */
import { type Clock, isMeshError, sleep } from "@hearthmesh/core";
import type { MeshClient } from "./mesh-client.js";
import { isAllowedFailure } from "./outcomes.js";
import type { SeededRandom } from "./seeded-random.js";
import type { Trace } from "./trace.js";
import { describeError } from "./tree-workload.js";
import type { Violations } from "./violations.js";

export interface GrantWorkloadOptions {
  client: MeshClient;
  clock: Clock;
  random: SeededRandom;
  trace: Trace;
  violations: Violations;
  operations: number;
  /** Directories that this client has no right to. */
  forbidden: readonly string[];
  /** A directory that it may read and not change. */
  readOnly: string;
}

interface Attempt {
  what: string;
  run(): Promise<unknown>;
}

export async function runGrantWorkload(options: GrantWorkloadOptions): Promise<void> {
  const { client, clock, random, trace, operations } = options;
  for (let index = 0; index < operations; index++) {
    await sleep(clock, random.integer(0, 2000));
    const attempt = random.pick(attempts(options, index));
    trace.record(client.name, `tries to ${attempt.what}`);
    try {
      await attempt.run();
      options.violations.add(`${client.name} was allowed to ${attempt.what}`);
    } catch (error) {
      trace.record(client.name, `${attempt.what}: ${describeError(error)}`);
      if (!isMeshError(error, "MESH_FORBIDDEN") && !isAllowedFailure(error)) {
        options.violations.add(`${client.name}: ${attempt.what}: ${describeError(error)}`);
      }
    }
  }
}

function attempts(options: GrantWorkloadOptions, index: number): Attempt[] {
  const { client, forbidden, readOnly, random } = options;
  const foreign = random.pick(forbidden);
  const bytes = random.bytes(random.integer(0, 5000));
  const name = `intruder-${index}`;
  return [
    { what: `write ${readOnly}/${name}`, run: () => client.write(`${readOnly}/${name}`, bytes) },
    { what: `write ${foreign}/${name}`, run: () => client.write(`${foreign}/${name}`, bytes) },
    { what: `list ${foreign}`, run: () => client.list(foreign) },
    { what: `read ${foreign}/f0`, run: () => client.read(`${foreign}/f0`) },
    { what: `mkdir ${foreign}/${name}`, run: () => client.makeDirectory(`${foreign}/${name}`) },
    { what: `remove ${foreign}`, run: () => client.remove(foreign, { recursive: true }) },
    { what: `move ${foreign} ${readOnly}/x`, run: () => client.move(foreign, `${readOnly}/x`) },
  ];
}

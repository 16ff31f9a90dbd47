/** Several clients that write and read the same few files at the same time. */
import { type Clock, isMeshError, sleep } from "@hearthmesh/core";
import type { RegisterHistory, RegisterRead, RegisterWrite } from "./checkers/register-checker.js";
import { contentOf, fingerprint } from "./content.js";
import type { MeshClient } from "./mesh-client.js";
import { isAllowedFailure } from "./outcomes.js";
import type { SeededRandom } from "./seeded-random.js";
import type { Trace } from "./trace.js";
import { describeError } from "./tree-workload.js";
import type { Violations } from "./violations.js";

export interface RegisterWorkloadOptions {
  clock: Clock;
  trace: Trace;
  violations: Violations;
  paths: readonly string[];
  /** Sizes that are written; versions of one path differ in size as well as in content. */
  sizesBytes: readonly number[];
  faultsExpected: boolean;
}

interface Version {
  readonly version: string;
  readonly sizeBytes: number;
}

export class RegisterWorkload {
  readonly #options: RegisterWorkloadOptions;
  readonly #versions = new Map<string, Version[]>();
  readonly #writes = new Map<string, RegisterWrite[]>();
  readonly #reads = new Map<string, RegisterRead[]>();
  #nextNumber = 0;
  succeeded = 0;
  failed = 0;

  constructor(options: RegisterWorkloadOptions) {
    this.#options = options;
    for (const path of options.paths) {
      this.#versions.set(path, []);
      this.#writes.set(path, []);
      this.#reads.set(path, []);
    }
  }

  /** One client's part; run several together. */
  async run(client: MeshClient, random: SeededRandom, operations: number): Promise<void> {
    for (let index = 0; index < operations; index++) {
      await sleep(this.#options.clock, random.integer(0, 800));
      const path = random.pick(this.#options.paths);
      if (random.chance(0.4)) await this.#write(client, path, random);
      else await this.read(client, path);
    }
  }

  get histories(): RegisterHistory[] {
    return this.#options.paths.map((path) => ({
      path,
      writes: this.#writes.get(path) ?? [],
      reads: this.#reads.get(path) ?? [],
    }));
  }

  async #write(client: MeshClient, path: string, random: SeededRandom): Promise<void> {
    const { clock, trace, sizesBytes } = this.#options;
    const version = `${client.name}-shared-${this.#nextNumber++}`;
    const sizeBytes = random.pick(sizesBytes);
    const calledAtMs = clock.monotonicMs();
    this.#versions.get(path)?.push({ version, sizeBytes });
    const history = this.#writes.get(path);
    const position = history?.push({ version, calledAtMs, answeredAtMs: undefined }) ?? 0;
    trace.record(client.name, `write ${path} ${version} ${sizeBytes} B`);
    try {
      await client.write(path, contentOf(version, sizeBytes));
      const answered = { version, calledAtMs, answeredAtMs: clock.monotonicMs() };
      history?.splice(position - 1, 1, answered);
      this.succeeded++;
      trace.record(client.name, `write ${path} ${version}: done`);
    } catch (error) {
      this.#noteFailure(client, `write ${path} ${version}`, error);
    }
  }

  /** Reads and notes which version it was. True: there was an answer. */
  async read(client: MeshClient, path: string): Promise<boolean> {
    const { clock, trace, violations } = this.#options;
    const calledAtMs = clock.monotonicMs();
    const note = (version: string | undefined) => {
      const answeredAtMs = clock.monotonicMs();
      this.#reads.get(path)?.push({ reader: client.name, version, calledAtMs, answeredAtMs });
      this.succeeded++;
      trace.record(client.name, `read ${path}: ${version ?? "absent"}`);
    };
    try {
      const bytes = await client.read(path);
      const version = this.#versionOf(path, bytes);
      if (version !== undefined) note(version);
      else
        violations.add(
          `${client.name}: ${path} is no version, or a mixture: ${fingerprint(bytes)}`,
        );
      return true;
    } catch (error) {
      if (isMeshError(error, "MESH_PATH_NOT_FOUND")) {
        note(undefined);
        return true;
      }
      this.#noteFailure(client, `read ${path}`, error);
      return false;
    }
  }

  #versionOf(path: string, bytes: Uint8Array): string | undefined {
    const versions = this.#versions.get(path) ?? [];
    const match = versions.find(
      ({ version, sizeBytes }) =>
        sizeBytes === bytes.length && Buffer.compare(contentOf(version, sizeBytes), bytes) === 0,
    );
    return match?.version;
  }

  #noteFailure(client: MeshClient, what: string, error: unknown): void {
    const { trace, violations, faultsExpected } = this.#options;
    this.failed++;
    trace.record(client.name, `${what}: failed: ${describeError(error)}`);
    // Another client may replace the file between two pages of a long read.
    if (isMeshError(error, "MESH_PATH_CHANGED")) return;
    if (!faultsExpected || !isAllowedFailure(error)) {
      violations.add(`${client.name}: ${what}: failed with ${describeError(error)}`);
    }
  }
}

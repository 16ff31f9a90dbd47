/**
 * One run: a mesh, clients at work, faults, then peace, and the checks. Everything about it follows
 * from its options.
 */
import type { CoordinatorIntervals } from "@hearthmesh/collective";
import { checkRegister } from "./checkers/register-checker.js";
import { damagedReplicas, missingReplicas } from "./checkers/replica-checker.js";
import { checkTree } from "./checkers/tree-checker.js";
import type { FaultInjector } from "./fault-injector.js";
import { describePlan, type FaultKind, type FaultPlan, planFaults } from "./faults.js";
import { runGrantTurns } from "./grant-turns.js";
import { runGrantWorkload } from "./grant-workload.js";
import { RegisterWorkload } from "./register-workload.js";
import { describeFindings } from "./scenario-upkeep-commands.js";
import { seededRandom } from "./seeded-random.js";
import { SimMesh } from "./sim-mesh.js";
import { type FileContent, TreeWorkload } from "./tree-workload.js";
import { lanProfile, wanProfile } from "./virtual-path.js";

export interface SimulationOptions {
  seed: number;
  /** Operations of each client. */
  steps: number;
  storageNodes: number;
  /** Undefined: the seed decides. */
  faults?: number;
  faultKinds?: readonly FaultKind[];
  onLine?: (line: string) => void;
}

export interface SimulationResult {
  readonly seed: number;
  readonly violations: readonly string[];
  /** The faults as text. */
  readonly plan: readonly string[];
  readonly traceHash: string;
  /** The last lines of the trace. */
  readonly lines: readonly string[];
  readonly succeeded: number;
  readonly failed: number;
  readonly simulatedMs: number;
}

const NODE_NAMES = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"];
const PEOPLE = {
  alice: ["/home/alice:read+write+delete", "/shared:read+write+delete"],
  bob: ["/home/bob:read+write+delete", "/shared:read+write+delete"],
  mallory: ["/media:read"],
  /** Is given `/drop` now and then. */
  wanda: ["/media:read"],
  /** Prepares the directories and reads the shared files in the end. */
  olivia: ["/:read+write+delete"],
};
const FILE_BYTES_MAX = 3 << 20;
const SHARED_PATHS = ["/shared/one", "/shared/two", "/shared/three"];
const SHARED_SIZES_BYTES = [700, 40_000, 400_000, (1 << 20) + 17];
const FAULTS_MAX = 24;
/** Share of the runs in which the machines are in different homes. */
const WAN_RUNS = 0.4;
/**
 * Background work runs all the time, so that it meets every other thing that happens: repair,
 * removal of excess copies, replacement of lost nodes and garbage collection. None of these times
 * is needed for safety; the usual ones are minutes and hours.
 */
const EAGER_INTERVALS: Partial<CoordinatorIntervals> = {
  repairMs: 10_000,
  settleMs: 300,
  queueMs: 1000,
  garbageMs: 1000,
  garbageGraceMs: 3000,
  nodeLostMs: 8000,
};
/**
 * Longer than any wait of the code under simulation, short enough to notice one that never ends.
 */
const WORK_LIMIT_MS = 3_600_000;
const REPAIR_LIMIT_MS = 1_800_000;
const REPAIR_POLL_MS = 5000;

export async function runSimulation(options: SimulationOptions): Promise<SimulationResult> {
  const mesh = await makeMesh(options);
  await mesh.startAll();
  const simulation = new Simulation(options, mesh);
  await simulation.run();
  return simulation.result();
}

async function makeMesh(options: SimulationOptions): Promise<SimMesh> {
  const { seed, storageNodes, onLine } = options;
  const isWan = seededRandom(seed).fork("profile").chance(WAN_RUNS);
  return SimMesh.create({
    seed: String(seed),
    profile: isWan ? wanProfile : lanProfile,
    storage: NODE_NAMES.slice(0, storageNodes),
    people: PEOPLE,
    intervals: EAGER_INTERVALS,
    ...(onLine === undefined ? {} : { onLine }),
  });
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #mesh: SimMesh;
  readonly #plan: FaultPlan;
  readonly #trees: TreeWorkload[];
  readonly #registers: RegisterWorkload;

  constructor(options: SimulationOptions, mesh: SimMesh) {
    this.#options = options;
    this.#mesh = mesh;
    this.#plan = this.#makePlan();
    const { clock, trace, violations, random } = mesh;
    const faultsExpected = this.#plan.faults.length > 0;
    const shared = { clock, trace, violations, faultsExpected };
    const contents: FileContent[] = [];
    this.#trees = ["alice", "bob"].map(
      (name) =>
        new TreeWorkload({
          ...shared,
          client: mesh.client(name),
          random: random.fork(`tree of ${name}`),
          root: `/home/${name}`,
          operations: options.steps,
          fileBytesMax: FILE_BYTES_MAX,
          contents,
        }),
    );
    this.#registers = new RegisterWorkload({
      ...shared,
      paths: SHARED_PATHS,
      sizesBytes: SHARED_SIZES_BYTES,
    });
  }

  async run(): Promise<void> {
    const { violations } = this.#mesh;
    try {
      await this.#mesh.settle(this.#prepare(), WORK_LIMIT_MS);
      const injector = this.#mesh.injector();
      await this.#mesh.settle(this.#work(injector), WORK_LIMIT_MS);
      await this.#mesh.settle(injector.endAll(), WORK_LIMIT_MS);
      await this.#mesh.waitUntilAllOnline();
      await this.#check();
    } catch (error) {
      violations.add(`the run broke off: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }

  result(): SimulationResult {
    const { trace, violations, clock } = this.#mesh;
    const workloads = [...this.#trees, this.#registers];
    return {
      seed: this.#options.seed,
      violations: violations.list,
      plan: describePlan(this.#plan),
      traceHash: trace.hash(),
      lines: trace.lines,
      succeeded: workloads.reduce((sum, one) => sum + one.succeeded, 0),
      failed: workloads.reduce((sum, one) => sum + one.failed, 0),
      simulatedMs: clock.monotonicMs(),
    };
  }

  #makePlan(): FaultPlan {
    const { steps, faults, faultKinds } = this.#options;
    const random = this.#mesh.random.fork("faults");
    return planFaults(random, {
      coordinator: this.#mesh.coordinatorName,
      storage: this.#mesh.storageNames,
      clients: ["alice", "bob", "mallory"],
      durationMs: Math.max(10_000, steps * 600),
      count: faults ?? random.integer(1, FAULTS_MAX),
      damagedDisksMax: this.#mesh.acks - 1,
      ...(faultKinds === undefined ? {} : { kinds: faultKinds }),
    });
  }

  async #prepare(): Promise<void> {
    const olivia = this.#mesh.client("olivia");
    const paths = ["/home", "/home/alice", "/home/bob", "/shared", "/media", "/drop"];
    for (const path of paths) await olivia.makeDirectory(path);
  }

  async #work(injector: FaultInjector): Promise<void> {
    const { clock, trace, violations, random } = this.#mesh;
    const shared = ["alice", "bob"].map((name) =>
      this.#registers.run(
        this.#mesh.client(name),
        random.fork(`shared of ${name}`),
        Math.ceil(this.#options.steps / 2),
      ),
    );
    await Promise.all([
      injector.run(this.#plan),
      ...this.#trees.map((tree) => tree.run()),
      ...shared,
      runGrantWorkload({
        client: this.#mesh.client("mallory"),
        clock,
        trace,
        violations,
        random: random.fork("mallory"),
        operations: Math.ceil(this.#options.steps / 4),
        forbidden: ["/home/alice", "/home/bob", "/shared", "/no-such-place"],
        readOnly: "/media",
      }),
      runGrantTurns({
        client: this.#mesh.client("wanda"),
        keeper: this.#mesh.grants,
        clock,
        trace,
        violations,
        random: random.fork("wanda"),
        turns: Math.ceil(this.#options.steps / 4),
        path: "/drop",
      }),
    ]);
  }

  async #check(): Promise<void> {
    const { violations } = this.#mesh;
    for (const [index, name] of ["alice", "bob"].entries()) {
      const tree = this.#trees[index];
      if (tree === undefined) continue;
      const problems = checkTree(this.#mesh.client(name), tree.model);
      for (const problem of await this.#mesh.settle(problems, WORK_LIMIT_MS)) {
        violations.add(`${name}'s tree: ${problem}`);
      }
    }
    for (const path of SHARED_PATHS) {
      const read = this.#registers.read(this.#mesh.client("olivia"), path);
      if (!(await this.#mesh.settle(read, WORK_LIMIT_MS))) {
        violations.add(`${path} cannot be read after everything was mended`);
      }
    }
    for (const history of this.#registers.histories) {
      for (const problem of checkRegister(history)) violations.add(problem);
    }
    await this.#checkReplicas();
    await this.#checkRows();
  }

  /** Names, references and chunks agree, whatever broke in between. */
  async #checkRows(): Promise<void> {
    const { violations } = this.#mesh;
    const report = await this.#mesh.settle(this.#mesh.fsck(), WORK_LIMIT_MS);
    for (const line of describeFindings(report)) violations.add(`the check says: ${line}`);
    if (report.state !== "clean") violations.add(`the check ends with: ${report.state}`);
  }

  /** Damage is found first, then repair has to bring every copy back. */
  async #checkReplicas(): Promise<void> {
    const { violations, clock } = this.#mesh;
    const found = await this.#mesh.settle(damagedReplicas(this.#mesh), WORK_LIMIT_MS);
    for (const damage of found) this.#mesh.trace.record("CHECK", `${damage}; to be repaired`);
    const endMs = clock.monotonicMs() + REPAIR_LIMIT_MS;
    let missing = await this.#mesh.settle(missingReplicas(this.#mesh), WORK_LIMIT_MS);
    while (missing.length > 0 && clock.monotonicMs() < endMs) {
      await clock.runFor(REPAIR_POLL_MS);
      missing = await this.#mesh.settle(missingReplicas(this.#mesh), WORK_LIMIT_MS);
    }
    for (const problem of missing) violations.add(problem);
  }
}

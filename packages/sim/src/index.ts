/**
 * `@hearthmesh/sim`: a whole mesh in one process, under a virtual clock, from a seed.
 *
 * - `runSimulation` makes one run with faults and checkers; `npm run sim` is its command.
 * - `SimMesh` is the mesh itself: the classes that ship, on simulated machines.
 * - `VirtualClock`, `VirtualNetwork`, `VirtualDisk` and `SeededRandom` stand in for the real ones.
 * - `createScenario` carries out the stories of `test/scenarios`.
 * - `TreeWorkload` and `checkTree` know no simulation: `npm run trial` drives real processes with
 *   them.
 *
 * See `docs/simulator.md`.
 *
 * @packageDocumentation
 */
export { checkTree } from "./checkers/tree-checker.js";
export { describePlan, type Fault, type FaultPlan, planFaults } from "./faults.js";
export type { MeshClient } from "./mesh-client.js";
export type { Scenario } from "./scenario.js";
export { formatScenario, parseScenario, recordScenario } from "./scenario-file.js";
export { createScenario } from "./scenario-runner.js";
export { type SeededRandom, seededRandom } from "./seeded-random.js";
export { SimMesh, type SimMeshOptions } from "./sim-mesh.js";
export { runSimulation, type SimulationOptions, type SimulationResult } from "./simulation.js";
export { createTrace, type Trace } from "./trace.js";
export { type FileContent, TreeWorkload, type TreeWorkloadOptions } from "./tree-workload.js";
export { Violations } from "./violations.js";
export { type ClockView, type VirtualClock, virtualClock } from "./virtual-clock.js";
export { VirtualDisk, type VirtualDiskOptions } from "./virtual-disk.js";
export { VirtualNetwork, type VirtualNetworkOptions } from "./virtual-network.js";
export { lanProfile, type PathProfile, wanProfile } from "./virtual-path.js";

/**
 * Meshes of many nodes under a virtual clock (`SwimNetwork`): the machine and the codec of the
 * daemon, without processes. Times are virtual, so this machine's speed does not matter.
 */
import { SWIM_LAN } from "../../packages/membership/dist/index.js";
import { SwimNetwork } from "../../packages/membership/dist/testing/index.js";

/** Names, link addresses, roles and a proof of 64 bytes, as a daemon has them. */
const META_BYTES = 220;
const CONVERGED_MS_MAX = 300_000;
const SETTLE_MS = 10_000;
const QUIET_MS = 20_000;
const STEP_MS = 20;
const CRASHES = 3;

/** @param {{ nodes: number, seed?: number }} options */
export function simulate({ nodes, seed = 1 }) {
  const names = Array.from({ length: nodes }, (_, index) => `node${index}`);
  const network = new SwimNetwork({ seed, config: SWIM_LAN, metaBytes: META_BYTES });
  for (const name of names) network.start(name, [names[0]]);
  // All started at once, and all know only the first.
  const convergedMs = network.runUntil(() => network.hasConverged, CONVERGED_MS_MAX, STEP_MS);
  network.run(SETTLE_MS);
  const before = names.map((name) => network.sent(name));
  network.run(QUIET_MS);
  const sent = names.map((name, at) => {
    const now = network.sent(name);
    const perSecond = (key) => ((now[key] - before[at][key]) / QUIET_MS) * 1000;
    return {
      datagrams: perSecond("datagrams"),
      datagramBytes: perSecond("datagramBytes"),
      viewBytes: perSecond("viewBytes"),
    };
  });
  const detectionMs = [];
  for (let crash = 1; crash <= CRASHES; crash++) {
    const name = names[Math.floor((crash * nodes) / (CRASHES + 1))];
    network.crash(name);
    const isKnown = () => network.allSee(name, "dead");
    detectionMs.push(network.runUntil(isKnown, CONVERGED_MS_MAX, STEP_MS) ?? Number.NaN);
  }
  // What one more node takes until everybody has it.
  network.start("late", [names[0]]);
  const joinMs = network.runUntil(() => network.hasConverged, CONVERGED_MS_MAX, STEP_MS);
  const mean = (key) => sent.reduce((sum, one) => sum + one[key], 0) / nodes;
  return {
    nodes,
    convergedMs,
    detectionMs,
    joinMs,
    perNodeAndSecond: {
      datagrams: mean("datagrams"),
      datagramBytes: mean("datagramBytes"),
      datagramBytesMost: Math.max(...sent.map(({ datagramBytes }) => datagramBytes)),
      viewBytes: mean("viewBytes"),
    },
  };
}

/**
 * Meshes of many nodes under a virtual clock (`SwimNetwork`): the machine and the codec of the
 * daemon, without processes. Times are virtual, so this machine's speed does not matter.
 */
import { SWIM_LAN } from "../../packages/membership/dist/index.js";
import { SwimNetwork } from "../../packages/membership/dist/testing/index.js";

/** Names, link addresses, roles and a proof of 64 bytes, as a daemon has them. */
const META_BYTES = 220;
const CONVERGED_MS_MAX = 300_000;
/** A ping and an answer in each probe interval, and little else. */
const QUIET_DATAGRAMS_PER_SECOND = (2.2 * 1000) / SWIM_LAN.probeIntervalMs;
const SETTLE_STEP_MS = 10_000;
const SETTLE_MS_MAX = 600_000;
const QUIET_MS = 20_000;
const STEP_MS = 20;
const CRASHES = 3;

/** Who sees whom, from what the machines tell as it changes: cheap to ask after every step. */
class Beliefs {
  #network;
  #read = 0;
  /** `observer subject`, alive. */
  #alive = new Set();
  #dead = new Map();

  constructor(network) {
    this.#network = network;
  }

  #catchUp() {
    const { changes } = this.#network;
    for (; this.#read < changes.length; this.#read++) {
      const { observer, subject, after } = changes[this.#read];
      const pair = `${observer} ${subject}`;
      if (after === "alive") this.#alive.add(pair);
      else this.#alive.delete(pair);
      if (after !== "dead") continue;
      const observers = this.#dead.get(subject) ?? new Set();
      this.#dead.set(subject, observers.add(observer));
    }
  }

  /** Every one of so many nodes sees all others; those who ended are not counted. */
  areWhole(nodes, ended) {
    this.#catchUp();
    let pairs = this.#alive.size;
    for (const pair of this.#alive) {
      if (ended.size > 0 && pair.split(" ").some((name) => ended.has(name))) pairs--;
    }
    return pairs === nodes * (nodes - 1);
  }

  /** How many call it dead. */
  deaths(subject) {
    this.#catchUp();
    return this.#dead.get(subject)?.size ?? 0;
  }
}

/** @param {{ nodes: number, seed?: number }} options */
export function simulate({ nodes, seed = 1 }) {
  const names = Array.from({ length: nodes }, (_, index) => `node${index}`);
  const network = new SwimNetwork({ seed, config: SWIM_LAN, metaBytes: META_BYTES });
  const beliefs = new Beliefs(network);
  const ended = new Set();
  const until = (isSo) => network.runUntil(isSo, CONVERGED_MS_MAX, STEP_MS) ?? Number.NaN;
  for (const name of names) network.start(name, [names[0]]);
  // All started at once, and all know only the first.
  const convergedMs = until(() => beliefs.areWhole(nodes, ended));
  const quietAfterMs = settle(network, names);
  const perNodeAndSecond = quietTraffic(network, names);
  const detectionMs = [];
  for (let crash = 1; crash <= CRASHES; crash++) {
    const name = names[Math.floor((crash * nodes) / (CRASHES + 1))];
    network.crash(name);
    ended.add(name);
    detectionMs.push(until(() => beliefs.deaths(name) >= nodes - ended.size));
  }
  // What one more node takes until everybody has it.
  network.start("late", [names[0]]);
  const joinMs = until(() => beliefs.areWhole(nodes - ended.size + 1, ended));
  return { nodes, convergedMs, quietAfterMs, detectionMs, joinMs, perNodeAndSecond };
}

/** The news of the start is passed on for a while after everybody has it. */
function settle(network, names) {
  const datagrams = () => names.reduce((sum, name) => sum + network.datagramsSent(name), 0);
  const quiet = (QUIET_DATAGRAMS_PER_SECOND * names.length * SETTLE_STEP_MS) / 1000;
  while (network.nowMs < SETTLE_MS_MAX) {
    const before = datagrams();
    network.run(SETTLE_STEP_MS);
    if (datagrams() - before <= quiet) break;
  }
  return network.nowMs;
}

/** Means over the nodes. */
function quietTraffic(network, names) {
  const before = names.map((name) => network.sent(name));
  network.run(QUIET_MS);
  const perSecond = (key) =>
    names.map((name, at) => ((network.sent(name)[key] - before[at][key]) / QUIET_MS) * 1000);
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    datagrams: mean(perSecond("datagrams")),
    datagramBytes: mean(perSecond("datagramBytes")),
    datagramBytesMost: Math.max(...perSecond("datagramBytes")),
    viewBytes: mean(perSecond("viewBytes")),
  };
}

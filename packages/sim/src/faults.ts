/**
 * What goes wrong in a run, decided by the seed before the run begins and written as text that a
 * person can read. A plan stays within what the design promises to survive: any number of crashes
 * and losses of power, any partition, but damage (flipped bits, a wiped disk, sectors that cannot
 * be read) on at most `damagedDisksMax` disks, which is one less than the acknowledgements of a
 * write.
 */
import type { SeededRandom } from "./seeded-random.js";

export type Fault =
  | { kind: "kill"; host: string; backAfterMs: number }
  | { kind: "losePower"; host: string; backAfterMs: number }
  | { kind: "blackout"; hosts: readonly string[]; backAfterMs: number }
  | { kind: "partition"; hosts: readonly string[]; forMs: number }
  | { kind: "cutOneWay"; from: string; to: string; forMs: number }
  | { kind: "resetLinks"; a: string; b: string }
  | { kind: "stall"; host: string; forMs: number }
  | { kind: "slowDisk"; host: string; factor: number; forMs: number }
  | { kind: "fullDisk"; host: string; forMs: number }
  | { kind: "readErrors"; host: string; rate: number; forMs: number }
  | { kind: "writeErrors"; host: string; rate: number; forMs: number }
  | { kind: "flipBits"; host: string; count: number }
  | { kind: "wipe"; host: string; backAfterMs: number }
  | { kind: "clockJump"; host: string; byMs: number; forMs: number };

export type FaultKind = Fault["kind"];

interface PlannedFault {
  /** Virtual time after the beginning of the faults. */
  readonly atMs: number;
  readonly fault: Fault;
}

export interface FaultPlan {
  readonly faults: readonly PlannedFault[];
  /** All faults begin before this time; some last beyond it and are ended by the harness. */
  readonly durationMs: number;
}

export interface FaultPlanOptions {
  coordinator: string;
  storage: readonly string[];
  clients: readonly string[];
  durationMs: number;
  /** How many to plan. */
  count: number;
  /** Disks that may be damaged. */
  damagedDisksMax: number;
  /** Only these kinds; default all. */
  kinds?: readonly FaultKind[];
}

/** How often a kind is chosen, beside the others. */
const weights: Record<FaultKind, number> = {
  kill: 4,
  losePower: 4,
  blackout: 2,
  partition: 3,
  cutOneWay: 2,
  resetLinks: 3,
  stall: 2,
  slowDisk: 2,
  fullDisk: 1,
  readErrors: 1,
  writeErrors: 1,
  flipBits: 2,
  wipe: 1,
  clockJump: 1,
};

/** Read errors too: a node counts what its disk does not give as missing until it starts again. */
const damaging: ReadonlySet<FaultKind> = new Set(["flipBits", "wipe", "readErrors"]);

const CLOCK_JUMP_MS_MAX = 900_000;

export function planFaults(random: SeededRandom, options: FaultPlanOptions): FaultPlan {
  const damageable = shuffled(random, options.storage).slice(0, options.damagedDisksMax);
  const kinds = (options.kinds ?? (Object.keys(weights) as FaultKind[])).filter(
    (kind) => damageable.length > 0 || !damaging.has(kind),
  );
  const bag = kinds.flatMap((kind) => new Array<FaultKind>(weights[kind]).fill(kind));
  const faults: PlannedFault[] = [];
  for (let index = 0; index < options.count && bag.length > 0; index++) {
    const atMs = random.integer(0, options.durationMs);
    faults.push({ atMs, fault: makeFault(random, random.pick(bag), options, damageable) });
  }
  faults.sort((a, b) => a.atMs - b.atMs);
  return { faults, durationMs: options.durationMs };
}

function makeFault(
  random: SeededRandom,
  kind: FaultKind,
  options: FaultPlanOptions,
  damageable: readonly string[],
): Fault {
  const servers = [options.coordinator, ...options.storage];
  const all = [...servers, ...options.clients];
  const forMs = random.integer(500, 20_000);
  const host = random.pick(options.storage);
  switch (kind) {
    case "kill":
    case "losePower":
      return { kind, host: random.pick(servers), backAfterMs: forMs };
    case "blackout":
      return { kind, hosts: servers, backAfterMs: forMs };
    case "partition":
      return { kind, hosts: someOf(random, all), forMs };
    case "cutOneWay": {
      const [from = "", to = ""] = shuffled(random, all);
      return { kind, from, to, forMs };
    }
    case "resetLinks": {
      const [a = "", b = ""] = shuffled(random, all);
      return { kind, a, b };
    }
    case "stall":
      return { kind, host: random.pick(all), forMs: Math.round(forMs / 4) };
    case "slowDisk":
      return { kind, host, factor: random.integer(10, 500), forMs };
    case "fullDisk":
      return { kind, host, forMs };
    case "writeErrors":
      return { kind, host, rate: 0.02 + random.float() * 0.2, forMs };
    case "readErrors":
      return { kind, host: random.pick(damageable), rate: 0.02 + random.float() * 0.2, forMs };
    case "flipBits":
      return { kind, host: random.pick(damageable), count: random.integer(1, 40) };
    case "wipe":
      return { kind, host: random.pick(damageable), backAfterMs: forMs };
    case "clockJump": {
      const byMs = random.integer(-CLOCK_JUMP_MS_MAX, CLOCK_JUMP_MS_MAX);
      return { kind, host: random.pick(all), byMs, forMs };
    }
  }
}

export function describePlan(plan: FaultPlan): string[] {
  if (plan.faults.length === 0) return ["no faults"];
  return plan.faults.map(({ atMs, fault }) => `${seconds(atMs)}  ${describeFault(fault)}`);
}

export function describeFault(fault: Fault): string {
  switch (fault.kind) {
    case "kill":
      return `kill ${fault.host}, back after ${seconds(fault.backAfterMs)}`;
    case "losePower":
      return `cut the power of ${fault.host}, back after ${seconds(fault.backAfterMs)}`;
    case "blackout":
      return `cut the power of all servers, back after ${seconds(fault.backAfterMs)}`;
    case "partition":
      return `cut off ${fault.hosts.join(" ")} for ${seconds(fault.forMs)}`;
    case "cutOneWay":
      return `nothing from ${fault.from} to ${fault.to} for ${seconds(fault.forMs)}`;
    case "resetLinks":
      return `reset the links between ${fault.a} and ${fault.b}`;
    case "stall":
      return `stop ${fault.host} for ${seconds(fault.forMs)}`;
    case "slowDisk":
      return `disk of ${fault.host} ${fault.factor} times slower for ${seconds(fault.forMs)}`;
    case "fullDisk":
      return `disk of ${fault.host} full for ${seconds(fault.forMs)}`;
    case "readErrors":
      return `${percent(fault.rate)} of reads of ${fault.host} fail for ${seconds(fault.forMs)}`;
    case "writeErrors":
      return `${percent(fault.rate)} of writes of ${fault.host} fail for ${seconds(fault.forMs)}`;
    case "flipBits":
      return `flip ${fault.count} bits on the disk of ${fault.host}`;
    case "wipe":
      return `replace the disk of ${fault.host}, back after ${seconds(fault.backAfterMs)}`;
    case "clockJump":
      return `clock of ${fault.host} off by ${seconds(fault.byMs)} for ${seconds(fault.forMs)}`;
  }
}

function percent(rate: number): string {
  return `${Math.round(rate * 100)} %`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`;
}

function shuffled<Item>(random: SeededRandom, items: readonly Item[]): Item[] {
  const keyed = items.map((item) => ({ item, key: random.float() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
}

/** At least one and not all of them. */
function someOf(random: SeededRandom, items: readonly string[]): string[] {
  const count = random.integer(1, Math.max(1, items.length - 1));
  return shuffled(random, items).slice(0, count).sort();
}

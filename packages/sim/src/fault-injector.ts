/**
 * Makes the faults of a plan happen, ends each when its time is over, and mends everything at last.
 */
import { type Clock, sleep } from "@hearthmesh/core";
import { describeFault, type Fault, type FaultPlan } from "./faults.js";
import type { SeededRandom } from "./seeded-random.js";
import type { SimMachine } from "./sim-machine.js";
import type { Trace } from "./trace.js";
import { describeError } from "./tree-workload.js";
import type { VirtualNetwork } from "./virtual-network.js";

/** A service manager starts a program again that did not start. */
const RESTART_DELAY_MS = 1000;

export interface FaultInjectorOptions {
  clock: Clock;
  network: VirtualNetwork;
  random: SeededRandom;
  trace: Trace;
  machines: ReadonlyMap<string, SimMachine>;
}

export class FaultInjector {
  readonly #options: FaultInjectorOptions;
  #isOver = false;

  constructor(options: FaultInjectorOptions) {
    this.#options = options;
  }

  async run(plan: FaultPlan): Promise<void> {
    const { clock } = this.#options;
    const beganAtMs = clock.monotonicMs();
    for (const { atMs, fault } of plan.faults) {
      const waitMs = beganAtMs + atMs - clock.monotonicMs();
      if (waitMs > 0) await sleep(clock, waitMs);
      if (this.#isOver) return;
      this.apply(fault);
    }
  }

  apply(fault: Fault): void {
    this.#options.trace.record("FAULT", describeFault(fault));
    const end = this.#begin(fault);
    if (end === undefined) return;
    const lastsMs = "backAfterMs" in fault ? fault.backAfterMs : "forMs" in fault ? fault.forMs : 0;
    this.#options.clock.setTimeout(() => {
      if (this.#isOver) return;
      this.#options.trace.record("FAULT", `over: ${describeFault(fault)}`);
      end();
    }, lastsMs);
  }

  /** Everything works again from now on, and every machine is told to start. */
  async endAll(): Promise<void> {
    const { network, machines, trace } = this.#options;
    this.#isOver = true;
    trace.record("FAULT", "all over: everything is mended");
    network.heal();
    for (const machine of machines.values()) {
      machine.disk.setErrorRates({ read: 0, write: 0, sync: 0 });
      machine.disk.setSlowFactor(1);
      machine.disk.setNormalCapacity();
      machine.jumpClock(-machine.clockOffsetMs);
    }
    await Promise.all([...machines.values()].map((machine) => this.restart(machine)));
  }

  /** Until it runs, as a service manager does. */
  async restart(machine: SimMachine): Promise<void> {
    const { clock, trace } = this.#options;
    for (;;) {
      try {
        await machine.start();
        return;
      } catch (error) {
        trace.record(machine.name, `does not start: ${describeError(error)}`);
        await sleep(clock, RESTART_DELAY_MS);
      }
    }
  }

  /** Returns how to end it; undefined when it has no end. */
  #begin(fault: Fault): (() => void) | undefined {
    const { network, machines } = this.#options;
    switch (fault.kind) {
      case "kill":
        return this.#stop(fault.host, (machine) => machine.kill());
      case "losePower":
        return this.#stop(fault.host, (machine) => machine.losePower());
      case "blackout": {
        const ends = fault.hosts.map((host) => this.#stop(host, (machine) => machine.losePower()));
        return () => {
          for (const end of ends) end();
        };
      }
      case "wipe":
        return this.#stop(fault.host, (machine) => {
          machine.losePower();
          machine.wipe();
        });
      case "partition": {
        const others = [...machines.keys()].filter((name) => !fault.hosts.includes(name));
        network.partition(fault.hosts, others);
        return () => network.unite(fault.hosts, others);
      }
      case "cutOneWay":
        network.cut(fault.from, fault.to);
        return () => network.mend(fault.from, fault.to);
      case "resetLinks":
        network.resetConnections(fault.a, fault.b);
        return undefined;
      case "stall":
        this.#machine(fault.host).stall(fault.forMs);
        return undefined;
      case "clockJump":
        this.#machine(fault.host).jumpClock(fault.byMs);
        return () => this.#machine(fault.host).jumpClock(-fault.byMs);
      default:
        return this.#beginOnDisk(fault);
    }
  }

  #beginOnDisk(
    fault: Extract<
      Fault,
      { kind: "slowDisk" | "fullDisk" | "readErrors" | "writeErrors" | "flipBits" }
    >,
  ): (() => void) | undefined {
    const { disk } = this.#machine(fault.host);
    switch (fault.kind) {
      case "slowDisk":
        disk.setSlowFactor(fault.factor);
        return () => disk.setSlowFactor(1);
      case "fullDisk":
        disk.setCapacity(disk.usedBytes);
        return () => disk.setNormalCapacity();
      case "readErrors":
        disk.setErrorRates({ read: fault.rate });
        return () => disk.setErrorRates({ read: 0 });
      case "writeErrors":
        disk.setErrorRates({ write: fault.rate, sync: fault.rate });
        return () => disk.setErrorRates({ write: 0, sync: 0 });
      case "flipBits":
        for (let index = 0; index < fault.count; index++) this.#flipBit(fault.host);
        return undefined;
    }
  }

  #stop(host: string, how: (machine: SimMachine) => void): () => void {
    const machine = this.#machine(host);
    how(machine);
    return () => void this.restart(machine);
  }

  /** A random byte of a random file, larger files more often. */
  #flipBit(host: string): void {
    const { random } = this.#options;
    const { disk } = this.#machine(host);
    const files = disk.filePaths.map((path) => ({ path, sizeBytes: disk.sizeOf(path) }));
    const totalBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
    let at = Math.floor(random.float() * totalBytes);
    for (const { path, sizeBytes } of files) {
      if (at < sizeBytes) {
        disk.flipBit(path, at);
        return;
      }
      at -= sizeBytes;
    }
  }

  #machine(name: string): SimMachine {
    const machine = this.#options.machines.get(name);
    if (machine === undefined) throw new Error(`there is no machine ${name}`);
    return machine;
  }
}

/**
 * A simulated machine: it has a disk, a clock, a place on the network and its power, and runs one
 * program. A process that dies takes its memory, its timers and its connections with it; what is
 * left of its code can neither see nor change anything any more.
 */
import type { Disk, Logger } from "@hearthmesh/core";
import type { Transport } from "@hearthmesh/qwormhole";
import type { SeededRandom } from "./seeded-random.js";
import type { Trace } from "./trace.js";
import { traceLogger } from "./trace-logger.js";
import type { ClockView, VirtualClock } from "./virtual-clock.js";
import { VirtualDisk } from "./virtual-disk.js";
import type { VirtualNetwork } from "./virtual-network.js";

/** What one process is given. Everything in it is dead when the process is. */
export interface ProcessContext {
  readonly clock: ClockView;
  readonly random: SeededRandom;
  readonly transport: Transport;
  readonly disk: Disk;
  readonly log: Logger;
  /** False when the process died, or another runs in its place. */
  isAlive(): boolean;
  /** Calls when the process dies, so that a harness object can die with it. */
  onDeath(callback: () => void): void;
}

export interface SimMachineOptions {
  name: string;
  clock: VirtualClock;
  network: VirtualNetwork;
  random: SeededRandom;
  trace: Trace;
  certificates: readonly Uint8Array[];
  /** Size of its disk. */
  diskBytes?: number;
  /** Runs once for each process. */
  program(process: ProcessContext): Promise<void>;
}

export class SimMachine {
  readonly name: string;
  readonly disk: VirtualDisk;
  readonly #options: SimMachineOptions;
  #process: { clock: ClockView; onDeath: (() => void)[] } | undefined;
  #processCount = 0;
  #clockOffsetMs = 0;

  constructor(options: SimMachineOptions) {
    this.name = options.name;
    this.#options = options;
    const { clock, random, diskBytes } = options;
    const size = diskBytes === undefined ? {} : { capacityBytes: diskBytes };
    this.disk = new VirtualDisk({ clock, random: random.fork("disk"), ...size });
  }

  get isRunning(): boolean {
    return this.#process !== undefined;
  }

  /**
   * Switches it on and starts the program. A program that cannot start leaves a running machine.
   */
  async start(): Promise<void> {
    if (this.#process !== undefined) return;
    const { clock, network, random, trace, certificates, program } = this.#options;
    network.bootHost(this.name);
    trace.record(this.name, "starts");
    const view = clock.view();
    view.jump(this.#clockOffsetMs);
    const onDeath: (() => void)[] = [];
    const mine = { clock: view, onDeath };
    this.#process = mine;
    const work = program({
      clock: view,
      random: random.fork(`process ${this.#processCount++}`),
      transport: network.transport(this.name, certificates),
      disk: this.disk.mount(),
      log: traceLogger({ trace, actor: this.name }),
      isAlive: () => this.#process === mine,
      onDeath: (callback) => onDeath.push(callback),
    });
    try {
      await work;
    } catch (error) {
      if (this.#process === mine) this.kill();
      throw error;
    }
  }

  /** SIGKILL: the kernel closes its connections and keeps its writes. */
  kill(): void {
    if (!this.#endProcess("is killed")) return;
    this.disk.killProcess();
    this.#options.network.killProcess(this.name);
  }

  /** The plug is pulled: peers hear nothing, and what was not synced may be gone. */
  losePower(): void {
    this.#endProcess("loses its power");
    this.disk.losePower();
    this.#options.network.losePower(this.name);
  }

  /** Its disk is replaced by an empty one; it must not be running. */
  wipe(): void {
    if (this.isRunning) throw new Error(`${this.name} is running`);
    this.#options.trace.record(this.name, "has a new, empty disk");
    this.disk.wipe();
  }

  jumpClock(byMs: number): void {
    this.#clockOffsetMs += byMs;
    this.#process?.clock.jump(byMs);
  }

  get clockOffsetMs(): number {
    return this.#clockOffsetMs;
  }

  /** SIGSTOP for a while: no timer fires, nothing is taken from the network. */
  stall(forMs: number): void {
    this.#process?.clock.stall(forMs);
    this.#options.network.stall(this.name, forMs);
  }

  #endProcess(how: string): boolean {
    const ended = this.#process;
    if (ended === undefined) return false;
    this.#process = undefined;
    this.#options.trace.record(this.name, how);
    ended.clock.halt();
    for (const callback of ended.onDeath) callback();
    return true;
  }
}

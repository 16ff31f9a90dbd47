/**
 * Faults for real processes. At most one is under way, and what it broke is whole again before the
 * next one begins: with three copies and two of them acknowledged, nothing may be lost then.
 */
import { closeSync, openSync, readdirSync, readSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export const FAULTS = ["kill", "pause", "bytes"];

const DAMAGED_BYTES = 64;
const PAUSE_MS = 1_500;

export class FaultMaker {
  #member;
  #random;
  #kinds;
  #trace;
  #stop = new AbortController();
  /** How often each fault was made. */
  counts = {};

  /**
   * @param {{
   *   member: import("../../scripts/mesh-processes.mjs").MeshProcesses,
   *   random: import("@hearthmesh/sim").SeededRandom,
   *   kinds: readonly string[],
   *   trace: import("@hearthmesh/sim").Trace,
   * }} options
   */
  constructor({ member, random, kinds, trace }) {
    this.#member = member;
    this.#random = random;
    this.#kinds = kinds;
    this.#trace = trace;
  }

  /** Makes one fault after the other until `stop`; everything runs again when this resolves. */
  async run() {
    while (!this.#stop.signal.aborted && this.#kinds.length > 0) {
      await sleep(this.#random.integer(300, 2_000));
      if (this.#stop.signal.aborted) return;
      const kind = this.#random.pick(this.#kinds);
      this.counts[kind] = (this.counts[kind] ?? 0) + 1;
      if (kind === "kill") await this.#kill();
      else if (kind === "pause") await this.#pause();
      else await this.#damage();
    }
  }

  stop() {
    this.#stop.abort();
  }

  async #kill() {
    const victim = this.#random.pick(this.#member.processes);
    this.#trace.record("fault", `SIGKILL ${victim.name}`);
    await victim.kill("SIGKILL");
    await sleep(this.#random.integer(0, 1_500));
    victim.start();
    await victim.ready(60_000);
    await this.#whole();
  }

  async #pause() {
    const victim = this.#random.pick(this.#member.processes);
    this.#trace.record("fault", `SIGSTOP ${victim.name}`);
    victim.child.kill("SIGSTOP");
    await sleep(PAUSE_MS);
    victim.child.kill("SIGCONT");
    await this.#whole();
  }

  /** Bytes in the middle of a pack file change under the feet of a running storage node. */
  async #damage() {
    const victim = this.#random.pick(this.#member.nodes);
    const folder = join(victim.home, "chunks");
    const packs = filesBelow(folder).filter((path) => statSync(path).size > 64 * 1024);
    if (packs.length === 0) return;
    const path = this.#random.pick(packs.sort());
    const at = this.#random.integer(32 * 1024, statSync(path).size - DAMAGED_BYTES);
    this.#trace.record("fault", `damages ${DAMAGED_BYTES} bytes of ${victim.name}`);
    const file = openSync(path, "r+");
    try {
      const bytes = Buffer.alloc(DAMAGED_BYTES);
      readSync(file, bytes, 0, DAMAGED_BYTES, at);
      writeSync(
        file,
        bytes.map((byte) => byte ^ 0xff),
        0,
        DAMAGED_BYTES,
        at,
      );
    } finally {
      closeSync(file);
    }
  }

  /** Every node is back and every chunk that is known to lack a copy has it. */
  async #whole() {
    const nodes = this.#member.nodes.length;
    await this.#member.until(
      ({ totals, replication }) => totals.online >= nodes && replication.repairQueue === 0,
      "every node and every copy to be back",
      120_000,
    );
  }
}

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".pack"))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Debian's `serf agent` in the machines of the lab: its default LAN profile, one agent each. */
import { spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { endOf } from "../../test/support/mesh-lab-namespace.mjs";
import { Sightings } from "./sightings.mjs";

const STATES = { Join: "alive", Failed: "dead", Leave: "left", Reap: "left" };
const EVENT = /serf: EventMember(Join|Failed|Leave|Reap): (\S+)/;

/** Undefined when serf is not there. */
export function serfVersion() {
  const { status } = spawnSync("serf", ["version"]);
  if (status !== 0) return undefined;
  const { stdout } = spawnSync("dpkg-query", ["-W", "serf"], { encoding: "utf8" });
  return stdout?.trim().split("\t")[1] ?? "of unknown version";
}

export class SerfAgents {
  name = "serf";
  #agents = new Map();

  constructor(lab) {
    this.lab = lab;
    this.machines = lab.machines;
    this.sightings = new Sightings(this.machines.map(({ name }) => name));
  }

  async start() {
    for (const machine of this.machines) this.revive(machine);
    await this.sightings.untilWhole();
  }

  /** What an agent logs is known here as soon as it is said; nothing is polled. */
  revive(machine) {
    const { name, address } = machine;
    const others = this.machines.filter((other) => other !== machine);
    const command = ["serf", "agent", "-profile=lan", `-node=${name}`, `-bind=${address}:7946`];
    const join = others.map((other) => `-retry-join=${other.address}`);
    const child = machine.namespace.spawn([...command, "-retry-interval=1s", ...join], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#agents.set(name, child);
    this.sightings.forgetViewOf(name);
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        const found = EVENT.exec(line);
        if (found === null || found[2] === name) return;
        this.sightings.add({ observer: name, subject: found[2], state: STATES[found[1]] });
      });
    }
  }

  pidOf({ name }) {
    return this.#agents.get(name).pid;
  }

  signal({ name }, signal) {
    this.#agents.get(name).kill(signal);
  }

  crash(machine) {
    return this.#end(machine, "SIGKILL");
  }

  /** It leaves at an interrupt; at SIGTERM only when it is told to. */
  leave(machine) {
    return this.#end(machine, "SIGINT");
  }

  #end({ name }, signal) {
    const child = this.#agents.get(name);
    return { gone: endOf(child, signal) };
  }

  /** Milliseconds of the system's clock at which the last of the others knew it. */
  untilGone({ name }, timeoutMs) {
    return this.sightings.until(({ state }) => state === "dead" || state === "left", {
      subject: name,
      timeoutMs,
    });
  }

  untilThere({ name }, timeoutMs) {
    return this.sightings.until(({ state }) => state === "alive", { subject: name, timeoutMs });
  }

  untilWhole() {
    return this.sightings.untilWhole();
  }

  async watchDeaths() {
    const from = this.sightings.count;
    return async () => this.sightings.since(from).filter(({ state }) => state === "dead");
  }

  async stop() {
    await Promise.all([...this.#agents.values()].map((child) => endOf(child, "SIGKILL")));
  }
}

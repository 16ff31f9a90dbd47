/** The built daemons in the machines of the lab; the first one founds the member. */
import { nowMs } from "./sightings.mjs";

/** What the mark of the detection time is measured with. */
const POLL_MS = 20;
/** While nobody should be called dead at all. */
const WATCH_MS = 50;
const WHOLE_MS_MAX = 120_000;

export class Hearthmesh {
  name = "hearthmesh";

  constructor(lab) {
    this.lab = lab;
    this.machines = lab.machines;
  }

  async start() {
    const [first, ...others] = this.machines;
    const flags = ["--profile", "lan"];
    await this.lab.found(first, { flags });
    for (const machine of others) await this.lab.join(machine, first, { flags });
    await this.untilWhole();
  }

  revive(machine) {
    machine.start();
  }

  pidOf(machine) {
    return machine.pid;
  }

  signal(machine, signal) {
    machine.signal(signal);
  }

  crash(machine) {
    return { gone: machine.kill() };
  }

  leave(machine) {
    return { gone: machine.stop() };
  }

  /** In none of the others' `/mesh/peers`, and on none of their routes. */
  untilGone(machine, timeoutMs) {
    return this.#lastOf(machine, "untilGone", { name: machine.name, timeoutMs });
  }

  /** All others have a route to it. */
  untilThere(machine, timeoutMs) {
    return this.#lastOf(machine, "untilThere", { names: [machine.name], timeoutMs });
  }

  async #lastOf(machine, operation, details) {
    const others = this.machines.filter((other) => other !== machine);
    const times = await Promise.all(
      others.map(({ agent }) => agent.ask(operation, { everyMs: POLL_MS, ...details })),
    );
    if (times.includes(null)) throw new Error(`${machine.name}: ${operation} took too long`);
    return Math.max(...times);
  }

  async untilWhole() {
    const names = this.machines.map(({ name }) => name);
    const times = await Promise.all(
      this.machines.map(({ name, agent }) =>
        agent.ask("untilThere", {
          names: names.filter((other) => other !== name),
          everyMs: POLL_MS,
          timeoutMs: WHOLE_MS_MAX,
        }),
      ),
    );
    if (times.includes(null)) throw new Error("the nodes do not see each other");
  }

  /** Answers how to stop, and then who was called dead by whom. */
  async watchDeaths() {
    const startMs = nowMs();
    await Promise.all(this.machines.map(({ agent }) => agent.ask("startWatch", WATCH)));
    return async () => {
      const watched = await Promise.all(
        this.machines.map(async ({ name, agent }) => {
          const { changes, polls } = await agent.ask("stopWatch");
          if (polls === 0) throw new Error(`${name} answered nothing in ${nowMs() - startMs} ms`);
          return changes.map((change) => ({ ...change, observer: name, subject: change.name }));
        }),
      );
      return watched.flat().filter(({ state }) => state === "dead");
    };
  }

  async stop() {
    await Promise.all(this.machines.map((machine) => machine.kill()));
  }
}

const WATCH = { everyMs: WATCH_MS };

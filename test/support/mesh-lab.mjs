/**
 * Several machines in one: network namespaces on LANs, each with the built daemon as its own
 * process and the same ports everywhere. Things that happen to networks and machines happen here:
 * cut and lossy cables, other addresses, address translation, crashes, stalls, clocks that jump.
 * Needs root on Linux and the programs of the packages iproute2, iptables and util-linux.
 */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LabMachine } from "./mesh-lab-machine.mjs";
import { LabNetwork } from "./mesh-lab-network.mjs";

const PROGRAMS = ["ip", "tc", "iptables", "ebtables", "unshare", "nsenter", "setpriv", "mount"];
const ALL_ROLES = ["coordinator", "gateway", "storage"];
const WAIT_MS = 60_000;
const SERVICE_PORT = 8088;
const POST_BYTES = 1 << 20;
/** What the lab needs of the kernel. */
const TRIAL = [
  "mount -t sysfs none /sys",
  "ip link add trial0 type bridge",
  "ip link add trial1 type veth peer name trial2",
  "iptables -w -A INPUT -p udp -m statistic --mode random --probability 0.2 -j DROP",
  "iptables -w -t nat -A POSTROUTING -j MASQUERADE",
  "ebtables -A FORWARD -i trial1 -j DROP",
].join(" && ");

/** Why this machine cannot be several; undefined when it can. */
export function whyNoLab() {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root";
  for (const name of PROGRAMS) {
    const { status } = spawnSync("sh", ["-c", 'command -v "$1"', "sh", name]);
    if (status !== 0) return `needs the program ${name}`;
  }
  const trial = spawnSync("unshare", ["--net", "--mount", "sh", "-c", TRIAL], { encoding: "utf8" });
  if (trial.status === 0) return undefined;
  return `cannot make its networks: ${trial.stderr.trim().split("\n")[0]}`;
}

export class MeshLab {
  /** @type {LabMachine[]} */
  machines = [];

  #remove = () => rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });

  constructor(folder, network) {
    this.folder = folder;
    this.network = network;
    // Also when the run is broken off; the processes end with this one by themselves.
    process.once("exit", this.#remove);
  }

  /** Its folder and everything in it are removed by `close`. */
  static async create() {
    const folder = mkdtempSync(join(tmpdir(), "hearthmesh-lab-"));
    return new MeshLab(folder, await LabNetwork.create());
  }

  /** A bare machine on that LAN. */
  async machine(name, lan) {
    const { folder, network } = this;
    const machine = await LabMachine.create({ name, folder, network, lan });
    this.machines.push(machine);
    return machine;
  }

  /**
   * The first node of a member.
   * @param {LabMachine} machine
   * @param {{ member?: string, roles?: string[], flags?: string[] }} [options]
   */
  async found(machine, { member = "alice", roles = ALL_ROLES, flags = [] } = {}) {
    const who = ["--member", member, "--name", machine.name, "--capacity", "1GB"];
    machine.start(["up", ...who, ...roles.flatMap((role) => ["--role", role]), ...flags]);
    await machine.ready();
    return machine;
  }

  /** An invite for a node. */
  async invite(coordinator, roles = ["storage"]) {
    const wanted = roles.flatMap((role) => ["--role", role]);
    const answer = await coordinator.cli(["invite", "generate", "--node", ...wanted, "--json"]);
    return JSON.parse(answer).code;
  }

  /**
   * Makes the machine a node of the coordinator's member, and starts it.
   * @param {LabMachine} machine
   * @param {LabMachine} coordinator
   * @param {{ flags?: string[], roles?: string[] }} [options]
   */
  async join(machine, coordinator, { flags = [], roles } = {}) {
    const code = await this.invite(coordinator, roles);
    await machine.cli(["join", "-", "--name", machine.name, "--no-start"], code);
    machine.start(["up", "--capacity", "1GB", ...flags]);
    await machine.ready();
    return machine;
  }

  /**
   * Waits until the condition holds, and gives the milliseconds that it took.
   * @param {() => unknown | Promise<unknown>} condition it throws while it cannot be told
   * @param {string} what
   */
  async until(condition, what, timeoutMs = WAIT_MS) {
    const startMs = performance.now();
    let last = "";
    for (;;) {
      try {
        if (await condition()) return performance.now() - startMs;
        last = "not so";
      } catch (error) {
        last = error.message;
      }
      if (performance.now() - startMs > timeoutMs) break;
      await sleep(50);
    }
    throw new Error(`timed out waiting for ${what}; last: ${last}`);
  }

  /**
   * Waits until each of these sees exactly the others as alive, and nobody else as there. Gives the
   * milliseconds that it took.
   * @param {LabMachine[]} [machines]
   */
  agree(machines = this.machines, timeoutMs = WAIT_MS) {
    return this.until(
      async () => {
        const views = await Promise.all(machines.map((machine) => machine.json("/mesh/peers")));
        return views.every((view, at) => isWhole(view, machines, machines[at]));
      },
      `${machines.map(({ name }) => name).join(", ")} to agree`,
      timeoutMs,
    );
  }

  /**
   * `owner` offers the service "oracle", and a post of 1 MiB from `caller` reaches it, whatever way
   * the mesh finds. Gives the bytes that were sent.
   */
  async useService(caller, owner) {
    await owner.agent.ask("serve", { port: SERVICE_PORT, name: owner.name });
    await owner.cli(["service", "add", "oracle", "--port", String(SERVICE_PORT)]);
    const body = randomBytes(POST_BYTES);
    await this.until(async () => {
      const answer = await caller.request("/api/mesh/route/oracle/x", { method: "POST", body });
      const text = answer.body.toString("utf8");
      if (answer.status !== 200) throw new Error(`it answered ${answer.status}: ${text}`);
      return JSON.parse(text).bytes === body.length;
    }, `the service of ${owner.name}`);
    return body.length;
  }

  async close() {
    await Promise.all(this.machines.map((machine) => machine.close()));
    await this.network.close();
    this.#remove();
    process.off("exit", this.#remove);
  }
}

function isWhole({ peers }, machines, own) {
  const wanted = machines.filter((machine) => machine !== own).map(({ name }) => name);
  const seen = peers.map(({ name, state }) => {
    if (state !== "alive") throw new Error(`${own.name} calls ${name} ${state}`);
    return name;
  });
  if (wanted.sort().join() === seen.sort().join()) return true;
  throw new Error(`${own.name} sees ${seen.join(" ") || "nobody"}`);
}

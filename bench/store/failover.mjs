/**
 * Three real etcd processes and three coordinators in processes of their own. The one that leads is
 * killed together with its etcd, again and again. Measured: from the kill until a write of a new
 * leader, under its guard, is answered. Checked: every acknowledged write is there at the end, the
 * register never goes back, one node wrote in an epoch, and no read was older than a write that had
 * been acknowledged before it began.
 *
 * In every second run etcd's own leader is moved to the member that is about to die. With
 * `suspectMs` the others are told that long after the kill that the node is dead, as the membership
 * would; without it, only the lease tells.
 */
import { fork } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { openEtcdAdmin, openEtcdStore } from "@hearthmesh/store";
import { EtcdCluster } from "@hearthmesh/store/testing";
import { quantiles } from "./measure.mjs";

const RECOVERY_TIMEOUT_MS = 60_000;
const SIDE = fileURLToPath(new URL("./failover-node.mjs", import.meta.url));
const tools = { clock: systemClock(), random: systemRandom(), log: silentLogger };

/** `times`: `{ leaseTimeMs, electionTimeoutMs, suspectMs }`, the last one may be missing. */
export async function measureFailover({ runs, times, say }) {
  const { electionTimeoutMs } = times;
  const heartbeatMs = electionTimeoutMs / 10;
  const flags = [`--election-timeout=${electionTimeoutMs}`, `--heartbeat-interval=${heartbeatMs}`];
  const cluster = await EtcdCluster.start(3, { flags });
  const trial = new Trial(cluster, times);
  try {
    const results = [];
    for (let run = 1; run <= runs; run++) {
      const result = await trial.run(run % 2 === 0);
      say(`Failover ${run} of ${runs}: ${Math.round(result.ms)} ms`);
      results.push(result);
    }
    const [p50, p99] = quantiles(results.map(({ ms }) => ms));
    return { times, results, p50, p99, ...(await trial.check()) };
  } finally {
    await trial.end();
    await cluster.dispose();
  }
}

class Trial {
  #cluster;
  #times;
  #children = [];
  #leaders = [];
  #acks = [];
  #reads = [];
  #admin;

  constructor(cluster, times) {
    this.#cluster = cluster;
    this.#times = times;
    for (const index of [0, 1, 2]) this.#spawn(index);
  }

  async run(withRaftLeader) {
    const leader = await this.#steady();
    await this.#placeRaftLeader(leader, withRaftLeader);
    // At any moment between two renewals, and after a while of writes.
    await sleep(500 + Math.random() * this.#times.leaseTimeMs);
    const last = this.#acks.at(-1);
    const victim = this.#indexOf(last.nodeId);
    const before = this.#acks.length;
    const killedNs = process.hrtime.bigint();
    this.#children[victim].kill("SIGKILL");
    const etcdEnded = this.#cluster.members[victim].end("SIGKILL");
    const verdict = setTimeout(() => this.#suspect(victim), this.#times.suspectMs ?? 2 ** 30);
    const first = await this.#until(() =>
      this.#acks
        .slice(before)
        .find(({ epoch, nodeId }) => epoch > last.epoch && nodeId !== last.nodeId),
    );
    clearTimeout(verdict);
    await etcdEnded;
    const ms = Number(first.atNs - killedNs) / 1e6;
    await this.#cluster.restart(victim);
    this.#leaders[victim] = undefined;
    this.#spawn(victim);
    return { ms, withRaftLeader, epoch: first.epoch };
  }

  /** Everything that was acknowledged is there, and nothing that was read was stale. */
  async check() {
    await this.#steady();
    // Before it is read what there is: the leader goes on writing meanwhile.
    const acks = [...this.#acks].sort((a, b) => (a.atNs < b.atNs ? -1 : 1));
    const kept = await this.#keptWrites();
    const lost = acks.filter(({ key }) => !kept.has(key));
    const writers = new Map();
    let backwards = 0;
    let shared = 0;
    for (const [index, { epoch, nodeId, value }] of acks.entries()) {
      if (index > 0 && value <= acks[index - 1].value) backwards++;
      if ((writers.get(epoch) ?? nodeId) !== nodeId) shared++;
      writers.set(epoch, nodeId);
    }
    return {
      acked: acks.length,
      lost: lost.length,
      lostKeys: lost.map(({ key }) => key),
      reads: this.#reads.length,
      stale: countStale(acks, this.#reads),
      backwards,
      epochsOfTwo: shared,
      epochs: writers.size,
    };
  }

  async end() {
    for (const child of this.#children) child?.kill("SIGKILL");
    await this.#admin?.close();
  }

  #spawn(index) {
    const { endpoints } = this.#cluster;
    const own = [...endpoints.slice(index), ...endpoints.slice(0, index)];
    const args = [`node-${index}`, String(this.#times.leaseTimeMs), ...own];
    const child = fork(SIDE, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.#children[index] = child;
    child.on("message", (message) => this.#hear(message));
    child.on("error", () => undefined);
  }

  #hear(message) {
    if (message.type === "acked") this.#acks.push({ ...message, atNs: BigInt(message.atNs) });
    if (message.type === "read") this.#reads.push({ ...message, startNs: BigInt(message.startNs) });
    if (message.type === "state") this.#leaders[this.#indexOf(message.nodeId)] = message.leader;
  }

  #suspect(dead) {
    for (const [index, child] of this.#children.entries()) {
      if (index !== dead) child.send({ type: "suspect", nodeId: `node-${dead}` });
    }
  }

  #indexOf(nodeId) {
    return Number(nodeId.slice("node-".length));
  }

  /** All three agree on who leads, and that one writes. */
  async #steady() {
    const seen = this.#acks.length;
    return await this.#until(() => {
      const [leader] = this.#leaders;
      const agreed = leader !== undefined && this.#leaders.every((each) => each === leader);
      return agreed && this.#acks.slice(seen).some(({ nodeId }) => nodeId === leader)
        ? leader
        : undefined;
    });
  }

  async #placeRaftLeader(leader, together) {
    const { endpoints } = this.#cluster;
    this.#admin ??= await openEtcdAdmin({ endpoints, ...tools });
    const index = this.#indexOf(leader);
    const wanted = endpoints[together ? index : (index + 1) % endpoints.length];
    await this.#until(async () => {
      try {
        const { memberId, leaderId } = await this.#admin.statusOf(wanted);
        if (memberId === leaderId) return true;
        await this.#admin.moveLeader(memberId);
      } catch {
        // A member that has just come back may not be ready for it.
      }
      return undefined;
    });
  }

  async #keptWrites() {
    const { endpoints } = this.#cluster;
    const store = await openEtcdStore({ endpoints, keyPrefix: "failover/", ...tools });
    const kept = new Set();
    try {
      let range = { prefix: "w/" };
      for (;;) {
        const page = await store.range(range, { keysOnly: true });
        for (const { key } of page.entries) kept.add(key);
        const last = page.entries.at(-1)?.key;
        if (!page.more || last === undefined) return kept;
        range = { start: `${last}\u0001`, end: "w0" };
      }
    } finally {
      await store.close();
    }
  }

  async #until(find) {
    const startMs = performance.now();
    for (;;) {
      const found = await find();
      if (found !== undefined) return found;
      if (performance.now() - startMs > RECOVERY_TIMEOUT_MS) throw new Error("no new leader");
      await sleep(2);
    }
  }
}

/** Reads of less than what was acknowledged before they began. Both lists are walked in time. */
function countStale(acks, reads) {
  let stale = 0;
  let next = 0;
  let newest = 0;
  for (const read of [...reads].sort((a, b) => (a.startNs < b.startNs ? -1 : 1))) {
    for (; next < acks.length && acks[next].atNs < read.startNs; next++) {
      newest = Math.max(newest, acks[next].value);
    }
    if (read.value < newest) stale++;
  }
  return stale;
}

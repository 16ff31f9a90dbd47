/**
 * What happens to a mesh, done to real processes on real networks: cuts, restarts, clocks, and a
 * node that has been taken over. After each the views must agree again, nobody may be there who is
 * not, and the log must say what happened. `docs/mesh/faults.md` tells what to expect.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MeshLab, whyNoLab } from "../support/mesh-lab.mjs";
import type { LabMachine } from "../support/mesh-lab-machine.mjs";

const missing = whyNoLab();
const name = missing === undefined ? "a mesh" : `a mesh (${missing})`;
const HOUR_MS = 3_600_000;
const WATCH_MS = 100;
const STALL_MS = 2000;

describe.skipIf(missing !== undefined)(name, () => {
  let lab: MeshLab;
  let hub: LabMachine;
  let nodes: LabMachine[];
  let all: LabMachine[];
  /** Lines in the log of one that is not restarted soon. */
  let beforeHostile = 0;

  beforeAll(async () => {
    lab = await MeshLab.create();
    const lan = await lab.network.addLan();
    hub = await lab.machine("hub", lan);
    nodes = [];
    for (const each of ["one", "two", "three"]) nodes.push(await lab.machine(each, lan));
    all = [hub, ...nodes];
    // Opened to other machines, for those who have a key.
    await lab.found(hub, { flags: ["--mesh", "true"] });
    for (const machine of nodes) await lab.join(machine, hub);
    await lab.agree(all);
  });
  afterAll(() => lab?.close());

  const names = (peers: { name: string }[]) => peers.map((peer) => peer.name).sort();
  const statesOf = async (machine: LabMachine): Promise<Record<string, string>> => {
    const { peers, missing: gone } = await machine.json("/mesh/peers");
    const all = [...peers, ...gone].map((peer: { name: string; state: string }) => [
      peer.name,
      peer.state,
    ]);
    return Object.fromEntries(all);
  };
  const isGone = async (observer: LabMachine, subjects: LabMachine[]) => {
    const { peers } = await observer.json("/mesh/peers");
    return subjects.every((subject) => !names(peers).includes(subject.name));
  };

  /** The state in which every fault has to end. */
  async function isWholeAgain(what: string, machines = all): Promise<void> {
    const tookMs = await lab.agree(machines);
    console.log(`${what}: the views agree after ${Math.round(tookMs)} ms`);
    for (const machine of machines) {
      const others = machines.filter((other) => other !== machine);
      const status = await machine.json("/mesh/status");
      expect(status.active_peers, `${machine.name} counts`).toBe(others.length);
      await lab.until(async () => {
        const { routes } = await machine.json("/mesh/routes");
        return names(routes).join() === names(others).join();
      }, `routes of ${machine.name} to all and to nobody else`);
    }
  }

  /** What its log says of another since `mark`, in order: `dead`, `alive`, ... */
  const saidOf = (machine: LabMachine, mark: number, subject: LabMachine) =>
    machine
      .log()
      .slice(mark)
      .filter((line: { nodeName?: string }) => line.nodeName === subject.name)
      .flatMap(({ msg }: { msg: string }) => /^a node is (\w+)$/.exec(msg)?.[1] ?? []);
  const lossAndReturn = (machine: LabMachine, mark: number, subject: LabMachine) => {
    const said = saidOf(machine, mark, subject);
    return [said.at(0), said.at(-1)];
  };

  const says = (machine: LabMachine, mark: number, message: RegExp) =>
    machine
      .log()
      .slice(mark)
      .some(({ msg }: { msg: string }) => message.test(msg));

  /** Whom the honest ones called dead while the work was done. */
  async function deathsDuring(machines: LabMachine[], work: () => Promise<unknown>) {
    const ask = (operation: string) =>
      Promise.all(machines.map(({ agent }) => agent.ask(operation, { everyMs: WATCH_MS })));
    await ask("startWatch");
    await work();
    const watched = await ask("stopWatch");
    return watched.flatMap(({ changes }: { changes: { name: string; state: string }[] }) =>
      changes.filter(({ state }) => state === "dead").map((change) => change.name),
    );
  }

  it("comes together again after half of it was cut off", async () => {
    const [left, right] = [all.slice(0, 2), all.slice(2)];
    const mark = hub.log().length;
    await lab.network.cut(
      left.map(({ port }) => port),
      right.map(({ port }) => port),
    );
    const tookMs = await lab.until(async () => {
      const views = [
        ...left.map((machine) => isGone(machine, right)),
        ...right.map((machine) => isGone(machine, left)),
      ];
      return (await Promise.all(views)).every(Boolean);
    }, "both halves to notice");
    console.log(`both halves noticed the cut after ${Math.round(tookMs)} ms`);
    await lab.agree(left);
    await lab.agree(right);
    await lab.network.heal();
    await isWholeAgain("a cut in two");
    for (const machine of right) {
      expect(lossAndReturn(hub, mark, machine)).toEqual(["dead", "alive"]);
    }
  });

  it("is not moved by a node of its own that forges, replays and floods", async () => {
    const [, one, two, mallory] = all as [LabMachine, LabMachine, LabMachine, LabMachine];
    const honest = [hub, one, two];
    await mallory.kill();
    await lab.agree(honest);
    const hostile = mallory.helper("mesh-lab-hostile.mjs");
    const { home, address } = mallory;
    const targets = honest.map((machine) => ({ name: machine.name, address: machine.address }));
    const who = { home, name: mallory.name, memberId: "alice", address };
    beforeHostile = two.log().length;
    const deaths = await deathsDuring(honest, async () => {
      await hostile.ask("open", { ...who, nodes: targets });
      await hostile.ask("forge");
      await hostile.ask("replay", { times: 500 });
      const sent = await hostile.ask("flood", { seconds: 6 });
      console.log(`flooded with ${sent.datagrams} datagrams and ${sent.requests} requests`);
      for (const machine of honest) {
        const states = await statesOf(machine);
        expect(states, `what ${machine.name} sees`).not.toHaveProperty("ghost");
        const { membership } = await machine.json("/mesh/status");
        expect(membership.refused, `refused by ${machine.name}`).toMatchObject({
          "wrong-proof": expect.any(Number),
          impostor: expect.any(Number),
          replayed: expect.any(Number),
          malformed: expect.any(Number),
          flood: expect.any(Number),
        });
      }
    });
    const wronged = deaths.filter((each: string) => each !== mallory.name);
    expect(wronged).toEqual([]);
    await hostile.close();
    await lab.agree(honest);
    mallory.start();
    await mallory.ready();
    await isWholeAgain("a hostile node");
  });

  it("calls nobody dead for cables that carry in one direction only", async () => {
    const [, one, two, three] = all as [LabMachine, LabMachine, LabMachine, LabMachine];
    const deaths = await deathsDuring(all, async () => {
      await lab.network.cutOneWay(one.port, two.port);
      await lab.network.cutOneWay(two.port, three.port);
      // Longer than a suspicion lasts.
      await new Promise((resolve) => setTimeout(resolve, 8000));
    });
    // They reach each other through the others meanwhile.
    await lab.agree(all);
    await lab.network.heal();
    await isWholeAgain("one-way cables");
    expect(deaths).toEqual([]);
  });

  it("calls nobody dead for stalls of 2 s while a fifth of all datagrams is lost", async () => {
    const [, one, two] = all as [LabMachine, LabMachine, LabMachine];
    const deaths = await deathsDuring(all, async () => {
      await Promise.all(all.map(({ port }) => port.loseDatagrams(20)));
      for (const machine of [one, hub, two]) {
        machine.freeze();
        await new Promise((resolve) => setTimeout(resolve, STALL_MS));
        machine.thaw();
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      await Promise.all(all.map(({ port }) => port.loseDatagrams(0)));
    });
    expect(deaths).toEqual([]);
    await isWholeAgain("stalls and loss");
  });

  it("keeps a node whose datagrams a firewall drops, and misses it when it ends", async () => {
    const [, one, ...others] = all as [LabMachine, LabMachine, LabMachine, LabMachine];
    const rest = [hub, ...others];
    const deaths = await deathsDuring(all, async () => {
      await lab.network.blockUdp(one.port);
      await new Promise((resolve) => setTimeout(resolve, 5000));
    });
    expect(deaths).toEqual([]);
    await lab.agree(all);
    await one.kill();
    await lab.agree(rest);
    one.start();
    await one.ready();
    await isWholeAgain("no datagrams for one node");
    await lab.network.heal();
  });

  it("stays usable while strangers try 200 keys a second", async () => {
    const [, one] = all as [LabMachine, LabMachine];
    const body = JSON.stringify({ nodeUrl: `http://${one.address}:3000`, nodeName: "stranger" });
    let slowestMs = 0;
    let isOver = false;
    const deaths = await deathsDuring(all, async () => {
      const flooding = one.agent.ask("flood", {
        ...{ host: hub.address, path: "/api/mesh/register", method: "POST" },
        headers: {
          "content-type": "application/json",
          "x-api-key": "hmk_wrong-key",
          host: hub.address,
        },
        body: Buffer.from(body).toString("base64"),
        ...{ perSecond: 200, seconds: 5 },
      });
      const asking = (async () => {
        while (!isOver) {
          const startMs = performance.now();
          await hub.json("/mesh/status");
          slowestMs = Math.max(slowestMs, performance.now() - startMs);
        }
      })();
      const { statuses } = await flooding;
      isOver = true;
      await asking;
      const slowest = `slowest answer meanwhile ${Math.round(slowestMs)} ms`;
      console.log(`1,000 bad keys: ${JSON.stringify(statuses)}; ${slowest}`);
      expect(Object.keys(statuses).every((status) => ["401", "429"].includes(status))).toBe(true);
    });
    expect(deaths).toEqual([]);
    await isWholeAgain("bad keys");
    const refusals = hub
      .log()
      .filter(({ msg }: { msg: string }) => /^API keys were refused/.test(msg));
    // It says so, and not a thousand times.
    expect(refusals.length).toBeGreaterThan(0);
    expect(refusals.length).toBeLessThan(10);
    const { nodes: known } = await hub.json("/api/mesh/nodes");
    expect(known.map((node: { name: string }) => node.name)).not.toContain("stranger");
  });

  it("says in its log that messages were refused", async () => {
    // Once a minute.
    const message = /^messages of membership were refused/;
    await lab.until(() => says(all[2]!, beforeHostile, message), "the line in the log", 90_000);
  });

  it("outlives its hub, and takes it back", async () => {
    const marks = nodes.map((machine) => machine.log().length);
    await hub.kill();
    await lab.agree(nodes);
    hub.start();
    await hub.ready();
    await isWholeAgain("a restart of the hub");
    for (const [at, machine] of nodes.entries()) {
      expect(lossAndReturn(machine, marks[at]!, hub)).toEqual(["dead", "alive"]);
    }
  });

  it("finds itself when all were restarted at once with other addresses", async () => {
    await Promise.all(all.map((machine) => machine.kill()));
    const marks = all.map((machine) => machine.log().length);
    const [first, second, third, fourth] = all as [LabMachine, LabMachine, LabMachine, LabMachine];
    // Two swap theirs, so that at a known address there is another node; two have new ones.
    const [address, swapped] = [first.address, second.address];
    await first.port.setAddress(swapped);
    await second.port.setAddress(address);
    for (const { port } of [third, fourth]) await port.setAddress(port.lan.newAddress());
    const flush = ["ip", "neighbour", "flush", "all"];
    await Promise.all(all.map(({ namespace }) => namespace.run(flush)));
    for (const machine of all) machine.start();
    await Promise.all(all.map((machine) => machine.ready()));
    await isWholeAgain("other addresses for all");
    for (const machine of all) {
      const { peers } = await machine.json("/mesh/peers");
      for (const { name: peerName, addresses } of peers) {
        const peer = all.find((other) => other.name === peerName);
        expect(addresses.join(), `${machine.name} on ${peerName}`).toContain(`${peer?.address}:`);
      }
    }
    for (const [at, machine] of all.entries()) {
      for (const other of all.filter((one) => one !== machine)) {
        expect(saidOf(machine, marks[at]!, other).at(-1), `${machine.name} says`).toBe("alive");
      }
    }
    await lab.until(async () => {
      const { totals } = await hub.json("/api/status");
      return totals.online === all.length;
    }, "all storage nodes to be online");
  });

  it.each([
    ["forward", HOUR_MS],
    ["back", -HOUR_MS],
  ])("does not mind a clock that jumps an hour %s", async (direction, ms) => {
    const [, one, two] = all as [LabMachine, LabMachine, LabMachine];
    const deaths = await deathsDuring(all, async () => {
      const mark = one.log().length;
      one.shiftClock(ms);
      await lab.until(
        () => says(one, mark, /^the clock of this machine was set/),
        "it to notice the step of its clock",
      );
    });
    expect(deaths).toEqual([]);
    // It also comes in again with the wrong time, and others come in to it.
    await one.restart();
    await two.restart();
    await isWholeAgain(`a clock an hour ${direction}`);
    one.shiftClock(0);
    await isWholeAgain(`the clock set right again`);
  });
});

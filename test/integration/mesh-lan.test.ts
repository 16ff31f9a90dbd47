/** Nodes of one LAN find each other by their beacons, and only the nodes of their own mesh. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MeshLab, whyNoLab } from "../support/mesh-lab.mjs";
import type { LabMachine } from "../support/mesh-lab-machine.mjs";

const missing = whyNoLab();
const name = missing === undefined ? "a LAN" : `a LAN (${missing})`;

interface Peer {
  name: string;
  state: string;
  addresses: string[];
  link: string;
  foundBy: { method: string; at: string }[];
}
interface Peers {
  peers: Peer[];
  missing: Peer[];
}
interface Route {
  path: string[];
  alternatives: { path: string[] }[];
}
interface Status {
  state: string;
  active_peers: number;
  discovery: { method: string; state: string; last: string | null }[];
}

describe.skipIf(missing !== undefined)(name, () => {
  let lab: MeshLab;
  let alice: LabMachine[];
  let bob: LabMachine;

  beforeAll(async () => {
    lab = await MeshLab.create();
    const lan = await lab.network.addLan();
    const [hub, second, third] = [
      await lab.machine("hub", lan),
      await lab.machine("second", lan),
      await lab.machine("third", lan),
    ];
    alice = [hub, second, third];
    bob = await lab.machine("bob", lan);
    await Promise.all([lab.found(hub), lab.found(bob, { member: "bob" })]);
    await Promise.all([lab.join(second, hub), lab.join(third, hub)]);
  });
  afterAll(() => lab?.close());

  const peersOf = (machine: LabMachine): Promise<Peers> => machine.json("/mesh/peers");
  const statusOf = (machine: LabMachine): Promise<Status> => machine.json("/mesh/status");
  const methodsOf = async (machine: LabMachine, subject: LabMachine) => {
    const { peers } = await peersOf(machine);
    const peer = peers.find((one) => one.name === subject.name);
    return peer?.foundBy.map(({ method }) => method) ?? [];
  };

  it("has all its nodes in each one's view, linked directly", async () => {
    await lab.agree(alice);
    for (const machine of alice) {
      await lab.until(async () => {
        const { peers } = await peersOf(machine);
        return peers.every(({ link }) => link === "direct");
      }, "direct links");
      // The direct way is known, and the best one unless the round trip there is the longer one.
      await lab.until(async () => {
        const { routes } = (await machine.json("/mesh/routes")) as { routes: Route[] };
        const isDirect = ({ path, alternatives }: Route) =>
          [path, ...alternatives.map((other) => other.path)].some((way) => way.length === 1);
        return routes.length === 2 && routes.every(isDirect);
      }, "direct routes");
      expect(await statusOf(machine)).toMatchObject({ state: "connected", active_peers: 2 });
    }
  });

  it("says who found whom", async () => {
    const [hub, second] = alice;
    await lab.until(async () => (await methodsOf(second!, hub!)).includes("invite"), "the invite");
    // Two that joined know the coordinator alone; each other they know by beacons or by gossip.
    await lab.until(async () => (await methodsOf(alice[2]!, second!)).length > 0, "their finder");
    for (const machine of alice) {
      await lab.until(async () => {
        const { discovery } = await statusOf(machine);
        const beacon = discovery.find(({ method }) => method === "beacon");
        return beacon?.state === "working" && beacon.last !== null;
      }, `${machine.name} to hear beacons`);
    }
  });

  it("brings those together who have all got other addresses, by beacons alone", async () => {
    const [hub, second, third] = alice as [LabMachine, LabMachine, LabMachine];
    await Promise.all(alice.map((machine) => machine.stop()));
    for (const machine of [hub, second]) {
      await machine.port.setAddress(machine.port.lan.newAddress());
    }
    // The third one, which could be asked, stays away.
    for (const machine of [hub, second]) machine.start();
    await Promise.all([hub.ready(), second.ready()]);
    const tookMs = await lab.agree([hub, second]);
    console.log(`found each other at new addresses after ${Math.round(tookMs)} ms`);
    await lab.until(async () => {
      const methods = [await methodsOf(hub, second), await methodsOf(second, hub)];
      return methods.flat().includes("beacon");
    }, "the beacon to be named");
    third.start();
    await third.ready();
    await lab.agree(alice);
    // Files find their way too.
    await lab.until(async () => {
      const { totals } = await hub.json("/api/status");
      return totals.online === 3;
    }, "the storage nodes to be online");
  });

  it("keeps two meshes apart", async () => {
    // All of them have called several times by now.
    expect(await statusOf(bob)).toMatchObject({ state: "alone", active_peers: 0 });
    expect(await peersOf(bob)).toMatchObject({ peers: [], missing: [] });
    for (const machine of alice) {
      const { peers, missing: gone } = await peersOf(machine);
      expect([...peers, ...gone].map((peer) => peer.name)).not.toContain("bob");
      const { routes } = await machine.json("/mesh/routes");
      expect(routes.map((route: { name: string }) => route.name)).not.toContain("bob");
    }
  });
});

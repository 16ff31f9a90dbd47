/**
 * Two nodes, each behind a router that translates addresses as those at home do: both can dial out,
 * nobody can dial in, and the hub outside passes on between them what it cannot read.
 */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MeshLab, whyNoLab } from "../support/mesh-lab.mjs";
import type { LabMachine } from "../support/mesh-lab-machine.mjs";

const missing = whyNoLab();
const name = missing === undefined ? "two nodes behind NAT" : `two nodes behind NAT (${missing})`;
const LINK_PORT = 9000;

type Router = Awaited<ReturnType<MeshLab["network"]["addRouter"]>>;

describe.skipIf(missing !== undefined)(name, () => {
  let lab: MeshLab;
  let hub: LabMachine;
  let left: LabMachine;
  let right: LabMachine;
  const routers: Router[] = [];

  beforeAll(async () => {
    lab = await MeshLab.create();
    const internet = await lab.network.addLan();
    hub = await lab.machine("hub", internet);
    // No copies at the hub: they must go between the two others.
    await lab.found(hub, { roles: ["coordinator", "gateway"], flags: ["--acks", "1"] });
    left = await atHome("left", internet);
    right = await atHome("right", internet);
  });
  afterAll(() => lab?.close());

  /** A fresh machine in a home of its own, which is told of the hub. */
  async function atHome(
    machineName: string,
    internet: LabMachine["port"]["lan"],
  ): Promise<LabMachine> {
    const home = await lab.network.addLan();
    const router = await lab.network.addRouter(home, internet);
    await router.translate();
    routers.push(router);
    const machine = await lab.machine(machineName, home);
    machine.writeEnv({
      MESH_ENABLED: "true",
      MESH_HUB: `https://${hub.address}`,
      MESH_TOKEN: await lab.invite(hub),
      MESH_NODE_NAME: machineName,
      MESH_CAPACITY: "1GB",
    });
    machine.start(["up"]);
    await machine.ready();
    return machine;
  }

  const peer = async (machine: LabMachine, subject: LabMachine) => {
    const { peers } = await machine.json("/mesh/peers");
    return peers.find((one: { name: string }) => one.name === subject.name);
  };
  const canDial = (from: LabMachine, to: LabMachine) =>
    from.agent.ask("reaches", { host: to.address, port: LINK_PORT, timeoutMs: 500 });
  const online = (count: number) =>
    lab.until(
      async () => (await hub.json("/api/status")).totals.online === count,
      `${count} storage nodes`,
    );

  it("are seen by all, though nobody can dial them", async () => {
    expect(await canDial(left, hub)).toBe(true);
    expect(await canDial(left, right)).toBe(false);
    expect(await canDial(hub, right)).toBe(false);
    await lab.agree();
    for (const [from, to] of [
      [left, right],
      [right, left],
    ] as const) {
      expect(await peer(from, hub)).toMatchObject({ link: "direct" });
      const { routes } = await from.json("/mesh/routes");
      const route = routes.find((one: { name: string }) => one.name === to.name);
      expect(route).toMatchObject({ next_hop: "hub", path: ["hub", to.name] });
      // It says why.
      expect((await peer(from, to)).reason).toEqual(expect.any(String));
    }
  });

  it("copy chunks from one to the other", async () => {
    const chunks = async () => {
      const { local_nodes: nodes } = await hub.json("/api/status");
      return nodes.find((one: { name: string }) => one.name === "right")?.chunk_count ?? 0;
    };
    await online(2);
    await right.stop();
    await online(1);
    const bytes = randomBytes(3 << 20);
    const path = "/api/files/content?path=/shared/for-both";
    await hub.cli(["mkdir", "/shared"]);
    const written = await hub.request(path, { method: "PUT", body: bytes });
    expect(written.status, written.body.toString()).toBeLessThan(300);
    // The only copy is on the left.
    right.start();
    await right.ready();
    await lab.until(async () => (await chunks()) >= 3, "copies on the right");
    const { relay } = await hub.json("/mesh/status");
    expect(relay.bytes).toBeGreaterThan(bytes.length);
    await left.stop();
    await lab.until(
      async () => (await hub.get(path)).body.equals(bytes),
      "the file from the right",
    );
    left.start();
    await left.ready();
    await lab.agree();
  });

  it("use each other's services through the hub", async () => {
    await lab.useService(left, right);
    expect(await peer(left, right)).toMatchObject({ link: "relayed", via: ["hub"] });
  });

  it("are linked directly as soon as one can be dialled", async () => {
    const [leftRouter, rightRouter] = routers as [Router, Router];
    await rightRouter.passAll();
    const way = [right.port.lan.network, "via", rightRouter.outside.address];
    await leftRouter.namespace.run(["ip", "route", "add", ...way]);
    expect(await canDial(left, right)).toBe(true);
    const ask = () => left.get("/api/mesh/route/oracle/x");
    const tookMs = await lab.until(async () => {
      expect((await ask()).status).toBe(200);
      return (await peer(left, right))?.link === "direct";
    }, "a direct link");
    console.log(`linked directly ${Math.round(tookMs)} ms after the router let it`);
    expect((await peer(left, right)).via).toEqual([]);
    await lab.until(async () => {
      const { routes } = await left.json("/mesh/routes");
      return routes.some((one: { path: string[] }) => one.path.join() === "right");
    }, "a route without the hub");
  });
});

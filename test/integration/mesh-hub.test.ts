/**
 * Hub and spoke: a machine that is told of a hub in its `.env` joins by itself and is of full use.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MeshLab, whyNoLab } from "../support/mesh-lab.mjs";
import type { LabMachine } from "../support/mesh-lab-machine.mjs";

const missing = whyNoLab();
const name = missing === undefined ? "a hub" : `a hub (${missing})`;
const SERVICE_PORT = 8088;

describe.skipIf(missing !== undefined)(name, () => {
  let lab: MeshLab;
  let hub: LabMachine;
  let second: LabMachine;
  let spoke: LabMachine;

  beforeAll(async () => {
    lab = await MeshLab.create();
    const lan = await lab.network.addLan();
    hub = await lab.machine("hub", lan);
    second = await lab.machine("second", lan);
    spoke = await lab.machine("spoke", lan);
    // Beacons would find everybody here without any hub.
    await lab.found(hub, { flags: ["--beacon", "no"] });
    await lab.join(second, hub, { flags: ["--beacon", "no", "--serve-as-hub", "yes"] });
  });
  afterAll(() => lab?.close());

  const peer = async (machine: LabMachine, subject: LabMachine) => {
    const { peers } = await machine.json("/mesh/peers");
    return peers.find((one: { name: string }) => one.name === subject.name);
  };
  const isLinked = async (machine: LabMachine, subject: LabMachine) =>
    (await peer(machine, subject))?.link === "direct";
  /** As a program on that machine would ask for it. */
  const asked = async (machine: LabMachine, path: string) => {
    const { status, body } = await machine.get(`/api/mesh/route/${path}`);
    if (status !== 200) throw new Error(`${path} answered ${status}: ${body}`);
    return JSON.parse(body.toString("utf8"));
  };

  it("is joined by a fresh machine that has its address and a token in .env", async () => {
    const token = await lab.invite(hub, ["storage"]);
    spoke.writeEnv({
      MESH_ENABLED: "true",
      MESH_HUB: `https://${hub.address}:9001,${second.address}:9000`,
      MESH_TOKEN: token,
      MESH_BEACON: "no",
      MESH_NODE_NAME: "spoke",
      MESH_CAPACITY: "1GB",
    });
    spoke.start(["up"]);
    await spoke.ready();
    await lab.agree([hub, second, spoke]);
    expect((await peer(spoke, hub)).foundBy.map((one: { method: string }) => one.method)).toContain(
      "hub",
    );
    const { discovery } = await spoke.json("/mesh/status");
    expect(discovery).toContainEqual(expect.objectContaining({ method: "hub", state: "working" }));
    const log = await hub.log();
    expect(JSON.stringify(log)).not.toContain(token);
  });

  it("gives those at the spoke the files of the mesh, and keeps some there", async () => {
    await lab.until(async () => (await hub.json("/api/status")).totals.online === 3, "three nodes");
    await hub.cli(["mkdir", "/shared"]);
    const generate = ["invite", "generate", "--grant", "/shared:read+write", "--json"];
    const { code } = JSON.parse(await hub.cli(generate));
    const home = join(lab.folder, "person");
    mkdirSync(home);
    const person = (args: string[], input?: string) => spoke.cli(args, input, home);
    await person(["identity", "init", "--global-id", "person@demo.example"]);
    await person(["invite", "redeem", "-"], code);
    const text = "x".repeat((1 << 20) + 17);
    await person(["write", "/shared/from-spoke"], text);
    const atHub = await hub.get("/api/files/content?path=/shared/from-spoke");
    expect(atHub.body.toString("utf8")).toBe(text);
    await hub.cli(["write", "/shared/from-hub"], "hello");
    expect(await person(["read", "/shared/from-hub"])).toBe("hello");
    await lab.until(async () => {
      const { local_nodes: nodes } = await hub.json("/api/status");
      return nodes.find((node: { name: string }) => node.name === "spoke").chunk_count > 0;
    }, "chunks on the spoke");
  });

  it("gives everybody the spoke's services", async () => {
    await spoke.agent.ask("serve", { port: SERVICE_PORT, name: "spoke" });
    const add = ["service", "add", "oracle", "--port", String(SERVICE_PORT), "--capability", "ai"];
    await spoke.cli(add);
    for (const machine of [hub, second, spoke]) {
      await lab.until(async () => (await asked(machine, "ai/x")).name === "spoke", "the service");
      expect(await asked(machine, "oracle/some/path?q=1")).toMatchObject({
        name: "spoke",
        path: "/some/path?q=1",
      });
    }
  });

  it("is found again when it was restarted", async () => {
    await hub.kill();
    hub.start();
    await hub.ready();
    const tookMs = await lab.agree([hub, second, spoke]);
    console.log(`the views agree ${Math.round(tookMs)} ms after the hub was back`);
    await lab.until(() => isLinked(spoke, hub), "the spoke's link to the hub");
    await lab.until(async () => (await asked(hub, "oracle/again")).name === "spoke", "the service");
  });

  it("is replaced by the second one while it is away", async () => {
    await hub.kill();
    await lab.agree([second, spoke]);
    await lab.until(() => isLinked(spoke, second), "the link to the second hub");
    expect(await spoke.json("/mesh/status")).toMatchObject({ state: "connected" });
    await lab.until(async () => (await asked(second, "ai/y")).name === "spoke", "the service");
    hub.start();
    await hub.ready();
    await lab.agree([hub, second, spoke]);
  });
});

/**
 * `mesh-relay` as a process of its own: two members of a pool that nobody can dial reach each other
 * through it, while the node beside it passes nothing on.
 */
import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MeshLab, whyNoLab } from "../support/mesh-lab.mjs";
import type { LabMachine } from "../support/mesh-lab-machine.mjs";
import { endOf } from "../support/mesh-lab-namespace.mjs";

const missing = whyNoLab();
const name = missing === undefined ? "the relay program" : `the relay program (${missing})`;
const program = fileURLToPath(new URL("../../packages/cli/bin/mesh-relay.js", import.meta.url));
const RELAY_PORT = 4002;

describe.skipIf(missing !== undefined)(name, () => {
  let lab: MeshLab;
  let hub: LabMachine;
  let left: LabMachine;
  let right: LabMachine;
  let relay: ChildProcess;
  let pool: { poolId: string; rootPublicKey: string };
  let said = "";

  const startRelay = () => {
    const { PATH, HOME } = process.env;
    const command = [process.execPath, program, "--port", String(RELAY_PORT), "--home", hub.home];
    const started = hub.namespace.spawn(command, { env: { PATH, HOME }, cwd: hub.home });
    for (const stream of [started.stdout, started.stderr]) {
      stream?.on("data", (text: unknown) => {
        said += String(text);
      });
    }
    return started;
  };
  const relayLog = () => readFileSync(join(hub.home, "logs", "relay.log"), "utf8");

  /** A node behind a router: it can dial out, and nobody can dial in. */
  async function atHome(machineName: string, internet: LabMachine["port"]["lan"]) {
    const home = await lab.network.addLan();
    const router = await lab.network.addRouter(home, internet);
    await router.translate();
    const machine = await lab.machine(machineName, home);
    await machine.cli(["init", "--name", machineName]);
    const { poolId, rootPublicKey } = pool;
    const which = ["--pool-id", poolId, "--pool-root-pubkey", rootPublicKey, "--code", "-"];
    const { code } = JSON.parse(await hub.cli(["pool", "pair", "--json"]));
    await machine.cli(["pool", "join", ...which, "--peer", hub.address], code);
    machine.start(["up", "--capacity", "1GB"]);
    await machine.ready();
    return machine;
  }

  const peer = async (machine: LabMachine, wanted: string) => {
    const { peers } = await machine.json("/mesh/peers");
    return peers.find((one: { name: string }) => one.name === wanted);
  };

  beforeAll(async () => {
    lab = await MeshLab.create();
    const internet = await lab.network.addLan();
    hub = await lab.machine("hub", internet);
    relay = startRelay();
    await lab.until(() => relayLog().includes("waiting for the pool"), "the relay to wait");
    await lab.found(hub, { roles: ["coordinator", "gateway"], flags: ["--relay", "no"] });
    pool = JSON.parse(await hub.cli(["pool", "create", "--name", "far-apart", "--json"]));
    left = await atHome("left", internet);
    right = await atHome("right", internet);
  });
  afterAll(async () => {
    if (relay !== undefined) await endOf(relay, "SIGKILL");
    await lab?.close();
  });

  it("waits for a node of its machine, and becomes one of its own", async () => {
    await lab.until(() => said.includes(`hub-relay of alice on port ${RELAY_PORT}`), "its words");
    await lab.until(async () => (await peer(hub, "hub-relay"))?.state === "alive", "the relay");
    expect(await peer(hub, "hub-relay")).toMatchObject({ link: "direct" });
    expect(relayLog()).not.toContain("hm1-");
  });

  it("joins two nodes that cannot dial each other", async () => {
    await lab.useService(left, right);
    expect(await peer(left, "right")).toMatchObject({ link: "relayed", via: ["hub-relay"] });
    const { peers } = JSON.parse(await left.cli(["pool", "peers", "--json"]));
    const other = peers.find((one: { name: string }) => one.name === "right");
    expect(other).toMatchObject({ status: "online" });
    await lab.until(() => /passed on: [1-9]\d* streams/.test(relayLog()), "the relay's account");
  });

  it("lets a model at one member answer the other", async () => {
    const ask = ["inference", "--prompt", "Once upon a time", "--max-tokens", "8", "--json"];
    await lab.until(async () => {
      const answer = JSON.parse(await left.cli([...ask, "--only-members", "right"]));
      return answer.choices[0].text.length > 0;
    }, "an answer from the right");
    const { jobsCompleted } = JSON.parse(await right.cli(["inference-stats", "--json"]));
    expect(jobsCompleted).toBeGreaterThan(0);
  });

  it("names its port when it is taken, as by itself", async () => {
    said = "";
    const second = startRelay();
    const code = await new Promise((resolve) => second.once("exit", resolve));
    expect({ code, said }).toMatchObject({
      code: 7,
      said: expect.stringContaining(`port ${RELAY_PORT}, wanted for links to the relay`),
    });
  });

  it("goes on while the node of its machine is away", async () => {
    await hub.stop();
    for (let count = 0; count < 5; count++) {
      const { status, body } = await left.get(`/api/mesh/route/oracle/${count}`);
      expect({ status, body: body.toString() }).toMatchObject({ status: 200 });
    }
    hub.start();
    await hub.ready();
  });

  it("comes back with the same key", async () => {
    const { nodeId } = await peer(left, "hub-relay");
    relay.kill("SIGINT");
    expect(await new Promise((resolve) => relay.once("exit", resolve))).toBe(0);
    relay = startRelay();
    await lab.until(async () => {
      const now = await peer(left, "hub-relay");
      return now?.link === "direct" && now.nodeId === nodeId;
    }, "the relay again");
    await lab.until(
      async () => (await left.get("/api/mesh/route/oracle/again")).status === 200,
      "the service on the right again",
    );
  });
});

/**
 * Three machines in a row: each reaches the one in the middle alone, which passes no packets on.
 * The outer two are linked over Yggdrasil, whose daemon each node runs for itself; it is killed,
 * left behind and stopped.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MeshLab, whyNoLab } from "../support/mesh-lab.mjs";
import type { LabMachine } from "../support/mesh-lab-machine.mjs";
import { whyNoYggdrasil, yggdrasilsOf } from "../support/yggdrasil.js";

const missing = whyNoLab() ?? whyNoYggdrasil();
const name = `links over yggdrasil${missing === undefined ? "" : ` (${missing})`}`;
const OVERLAY_PORT = 9010;
const LINK_PORT = 9000;
const OVERLAY_ADDRESS = /^2[0-9a-f]{2}:/;
const WAIT_MS = 50_000;
const STOP_MS_MAX = 40_000;

/** The last lines of its log when it does not stop in time; it is killed by `close` then. */
async function whyNotStopped(machine: LabMachine): Promise<string | undefined> {
  const stopped = machine.stop().then(() => true);
  if (await Promise.race([stopped, sleep(STOP_MS_MAX, false, { ref: false })])) return undefined;
  const lines = machine.log().slice(-10);
  return `${machine.name}: ${lines.map(({ time, msg }) => `${time} ${msg}`).join("; ")}`;
}

describe.skipIf(missing !== undefined)(name, { timeout: 120_000 }, () => {
  let lab: MeshLab;
  let left: LabMachine;
  let middle: LabMachine;
  let right: LabMachine;

  beforeAll(async () => {
    lab = await MeshLab.create();
    const onLeft = await lab.network.addLan();
    const onRight = await lab.network.addLan();
    middle = await lab.machine("middle", onLeft);
    const second = await lab.network.plug(middle.namespace, onRight, { device: "eth1" });
    await lab.found(middle, {
      flags: [
        ...["--overlay-listen", `tcp://0.0.0.0:${OVERLAY_PORT}`],
        ...["--overlay-interface", "ygg-middle"],
      ],
    });
    left = await lab.machine("left", onLeft);
    right = await lab.machine("right", onRight);
    for (const [machine, host] of [
      [left, middle.address],
      [right, second.address],
    ] as const) {
      const peer = ["--overlay-peer", `tcp://${host}:${OVERLAY_PORT}`];
      await lab.join(machine, middle, {
        flags: ["--overlay", "yggdrasil", ...peer, "--overlay-interface", `ygg-${machine.name}`],
      });
    }
  }, 120_000);
  afterAll(async () => {
    // A daemon that is killed leaves yggdrasil behind, and the network with it.
    const late = await Promise.all((lab?.machines ?? []).map(whyNotStopped));
    await lab?.close();
    expect(late.filter((words) => words !== undefined)).toEqual([]);
  });

  const until = (condition: () => unknown, what: string) => lab.until(condition, what, WAIT_MS);
  const peer = async (machine: LabMachine, subject: LabMachine) => {
    const { peers } = await machine.json("/mesh/peers");
    return peers.find((one: { name: string }) => one.name === subject.name);
  };
  const overlay = async (machine: LabMachine) => (await machine.json("/mesh/status")).overlay;
  const daemonsOf = ({ home }: LabMachine) => yggdrasilsOf(join(home, "run", "yggdrasil.conf"));
  const linked = () =>
    until(async () => {
      for (const [from, to] of [
        [left, right],
        [right, left],
      ] as const) {
        const seen = await peer(from, to);
        expect(seen).toMatchObject({ state: "alive", link: "direct", overlay: { inUse: true } });
      }
      return true;
    }, "a link over the overlay");

  it("join two nodes that reach only a third", async () => {
    const reaches = { host: right.address, port: LINK_PORT, timeoutMs: 500 };
    expect(await left.agent.ask("reaches", reaches)).toBe(false);
    await lab.agree();
    await linked();
    const seen = await peer(left, right);
    expect(seen.via).toEqual([]);
    expect(seen.overlay.address).toMatch(OVERLAY_ADDRESS);
    expect(seen.overlay.address).toBe((await overlay(right)).address);
    // Told last: it is the longer way.
    expect(seen.addresses).toEqual([
      `${right.address}:${LINK_PORT}`,
      `[${seen.overlay.address}]:${LINK_PORT}`,
    ]);
    // Those who reach each other without it do so.
    expect((await peer(left, middle)).overlay.inUse).toBe(false);
  });

  it("are told of by the API, the command and the metrics", async () => {
    await until(async () => (await overlay(middle)).connected === 2, "two overlay peers");
    const report = await overlay(middle);
    expect(report).toMatchObject({ type: "yggdrasil", state: "up", restarts: 0 });
    expect(report.peers.map((one: { node: string }) => one.node).sort()).toEqual(["left", "right"]);
    const told = JSON.parse(await left.cli(["overlay", "status", "--json"]));
    expect(told).toMatchObject({ state: "up", connected: 1, peers: [{ node: "middle" }] });
    expect(await left.cli(["overlay", "status"])).toContain(`Address  ${told.address}`);
    const { body } = await left.request("/metrics", { port: 9090 });
    expect(body.toString()).toContain('mesh_overlay_up{node="left"} 1');
    expect(body.toString()).toContain('mesh_overlay_peers{node="left"} 1');
  });

  it("carry a service without a relay", async () => {
    const before = (await middle.json("/mesh/status")).relay.bytes;
    const bytes = await lab.useService(left, right);
    expect((await middle.json("/mesh/status")).relay.bytes - before).toBeLessThan(bytes);
  });

  it("return after the daemon was killed, at the same address", async () => {
    const { address } = await overlay(right);
    const [pid = 0] = daemonsOf(right);
    process.kill(pid, "SIGKILL");
    const upMs = await until(async () => {
      const { state, restarts } = await overlay(right);
      return restarts === 1 && state === "up";
    }, "yggdrasil to run again");
    const linkedMs = upMs + (await linked());
    console.log(
      `yggdrasil ran ${Math.round(upMs)} ms after it was killed, ` +
        `its link ${Math.round(linkedMs)} ms`,
    );
    expect(daemonsOf(right)).toHaveLength(1);
    expect((await overlay(right)).address).toBe(address);
  });

  it("have one daemon after the node was killed, and none after it was stopped", async () => {
    const { address } = await overlay(left);
    const [before] = daemonsOf(left);
    await left.kill();
    left.start();
    await left.ready();
    await until(async () => (await overlay(left)).state === "up", "the overlay on the left");
    expect(daemonsOf(left)).toHaveLength(1);
    expect(daemonsOf(left)).not.toContain(before);
    expect((await overlay(left)).address).toBe(address);
    await linked();
    await left.stop();
    expect(daemonsOf(left)).toEqual([]);
  });

  it("give way to a shorter way, and come back when it is gone", async () => {
    left.start();
    await left.ready();
    await linked();
    // The right one comes home: it gets a cable to the left one's LAN.
    const { namespace } = right;
    const cable = await lab.network.plug(namespace, left.port.lan, {
      device: "eth1",
      gateway: false,
    });
    const shorterMs = await until(async () => {
      const [there, back] = [await peer(left, right), await peer(right, left)];
      expect([there.link, back.link]).toEqual(["direct", "direct"]);
      return !there.overlay.inUse && !back.overlay.inUse;
    }, "a link over the cable");
    await cable.linkDown();
    const backMs = await linked();
    console.log(
      `the shorter way after ${Math.round(shorterMs)} ms, ` +
        `the overlay ${Math.round(backMs)} ms after it was gone`,
    );
  });
});

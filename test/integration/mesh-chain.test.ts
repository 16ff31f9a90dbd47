/**
 * Ways through other nodes: `first` and `last` have no cable between them. The shortest way goes
 * through `near`; when that is gone, the only one left goes through two relays.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MeshLab, whyNoLab } from "../support/mesh-lab.mjs";
import type { LabMachine } from "../support/mesh-lab-machine.mjs";

const missing = whyNoLab();
const name = missing === undefined ? "a chain of nodes" : `a chain of nodes (${missing})`;
const ROUTE = "/api/mesh/route/echo/hello";

interface Route {
  name: string;
  next_hop: string;
  path: string[];
  cost: number;
  alternatives: { path: string[] }[];
}

describe.skipIf(missing !== undefined)(name, () => {
  let lab: MeshLab;
  let first: LabMachine;
  let second: LabMachine;
  let third: LabMachine;
  let last: LabMachine;
  let near: LabMachine;

  beforeAll(async () => {
    lab = await MeshLab.create();
    const lan = await lab.network.addLan();
    const make = (machineName: string) => lab.machine(machineName, lan);
    first = await make("first");
    second = await make("second");
    third = await make("third");
    last = await make("last");
    near = await make("near");
    await lab.found(first);
    for (const machine of [second, third, last, near]) await lab.join(machine, first);
    await lab.agree();
    const ports = (...machines: LabMachine[]) => machines.map(({ port }) => port);
    await lab.network.cut(ports(first), ports(third, last));
    await lab.network.cut(ports(second), ports(last));
    await lab.network.cut(ports(near), ports(second, third));
    last.helper("mesh-lab-echo.mjs", ["8085", "last"]);
    await last.cli(["service", "add", "echo", "--port", "8085"]);
  });
  afterAll(() => lab?.close());

  const routeToLast = async (): Promise<Route | undefined> => {
    const { routes } = (await first.json("/mesh/routes")) as { routes: Route[] };
    return routes.find((route) => route.name === "last");
  };
  const ask = async () => {
    const answer = await first.get(ROUTE);
    return { status: answer.status, text: answer.body.toString() };
  };

  it("knows the way through the nearest relay, and an alternative", async () => {
    const ways = async () => {
      const route = await routeToLast();
      return [route?.path, ...(route?.alternatives ?? []).map(({ path }) => path)].join("; ");
    };
    await lab.until(
      async () => (await ways()) === "near,last; second,third,last",
      "the two ways that are left",
      60_000,
    );
    const route = await routeToLast();
    expect(route).toMatchObject({ next_hop: "near" });
    expect(route?.cost).toBeGreaterThan(0);
    await lab.until(async () => (await ask()).status === 200, "an answer through near");
    expect(await ask()).toEqual({ status: 200, text: "last: GET /hello" });
  });

  it("keeps everybody alive, though not everybody hears each other", async () => {
    await lab.agree();
    const toLast = async () => {
      const { peers } = await first.json("/mesh/peers");
      return peers.find((one: { name: string }) => one.name === "last");
    };
    // Whoever dialled while the cables were cut may have got the longer way; it is shortened soon.
    await lab.until(async () => (await toLast()).via.join() === "near", "a link through near");
    const peer = await toLast();
    expect(peer).toMatchObject({ state: "alive", link: "relayed", via: ["near"] });
    expect(peer.reason).toMatch(/no answer|reached|came through a relay/);
  });

  it("goes around a relay that has gone, through two others", async () => {
    await near.kill();
    const startMs = performance.now();
    await lab.until(async () => (await ask()).status === 200, "an answer through two relays");
    const tookMs = performance.now() - startMs;
    process.stdout.write(`answered again ${Math.round(tookMs)} ms after its relay was killed\n`);
    await lab.until(
      async () => (await routeToLast())?.path.join() === "second,third,last",
      "the way through two relays",
    );
    await lab.agree([first, second, third, last]);
    expect(await ask()).toEqual({ status: 200, text: "last: GET /hello" });
  });
});

/**
 * Ways through other nodes: `first` and `last` have no cable between them. One way goes through
 * `near`, the other through `second` and `third`; which is the shorter one is measured.
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

  it("knows the way through one relay, and the one through two", async () => {
    const ways = async () => {
      const route = await routeToLast();
      return [route?.path, ...(route?.alternatives ?? []).map(({ path }) => path)]
        .map((path) => path?.join(","))
        .sort()
        .join("; ");
    };
    await lab.until(
      async () => (await ways()) === "near,last; second,third,last",
      "the two ways that are left",
    );
    const route = await routeToLast();
    expect(route?.next_hop).toBe(route?.path[0]);
    expect(route?.cost).toBeGreaterThan(0);
    await lab.until(async () => (await ask()).status === 200, "an answer through relays");
    expect(await ask()).toEqual({ status: 200, text: "last: GET /hello" });
  });

  it("keeps everybody alive, though not everybody hears each other", async () => {
    await lab.agree();
    const toLast = async () => {
      const { peers } = await first.json("/mesh/peers");
      return peers.find((one: { name: string }) => one.name === "last");
    };
    await lab.until(async () => (await toLast()).link === "relayed", "a link through relays");
    const peer = await toLast();
    expect(peer.state).toBe("alive");
    expect(["near", "second,third"]).toContain(peer.via.join());
    expect(peer.reason).toMatch(/no answer|reached|came through a relay/);
  });

  it("goes around a relay that has gone", async () => {
    const before = (await routeToLast())?.path ?? [];
    const isNear = before.length === 2;
    const [gone, left] = isNear ? [near, "second,third,last"] : [second, "near,last"];
    await gone.kill();
    const startMs = performance.now();
    await lab.until(async () => (await ask()).status === 200, "an answer by the other way");
    const tookMs = Math.round(performance.now() - startMs);
    process.stdout.write(`answered again ${tookMs} ms after ${gone.name} was killed\n`);
    await lab.until(async () => (await routeToLast())?.path.join() === left, "the other way");
    await lab.agree([first, second, third, last, near].filter((one) => one !== gone));
    expect(await ask()).toEqual({ status: 200, text: "last: GET /hello" });
  });
});

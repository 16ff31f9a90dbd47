/** `QWormholeServer` and `QWormholeClient` as they ship, over the simulated network and clock. */
import { generateKeyPair, publicKeyDerOf, signerOf } from "@hearthmesh/identity";
import { QWormholeClient, QWormholeServer } from "@hearthmesh/qwormhole";
import { describe, expect, it } from "vitest";
import { type FacadeRun, runFacadeWorld } from "./facade-world.js";
import { seededRandom } from "./seeded-random.js";
import { virtualClock } from "./virtual-clock.js";
import { VirtualNetwork } from "./virtual-network.js";

const TIMEOUT_MS = 60_000;
const SEEDS = Array.from({ length: 40 }, (_, index) => index + 1);

describe("servers and clients under simulation", () => {
  const runs: FacadeRun[] = [];

  it.each(SEEDS)("keep their promises with seed %i", { timeout: TIMEOUT_MS }, async (seed) => {
    const run = await runFacadeWorld(seed);
    runs.push(run);
    const story = [...run.plan, ...run.lines.slice(-200)].join("\n");
    expect(run.violations, story).toEqual([]);
    expect(run.arrived).toBeGreaterThan(1000);
  });

  it("met what they were to meet", () => {
    const kinds = new Set(runs.flatMap(({ plan }) => plan.map((fault) => fault.split(" ")[0])));
    expect(kinds.size).toBe(10);
    const all = runs.flatMap(({ lines }) => lines).join("\n");
    for (const code of ["QW_PEER_DEAD", "QW_LINK_LOST"]) expect(all).toContain(code);
    expect(runs.reduce((sum, { reconnects }) => sum + reconnects, 0)).toBeGreaterThan(100);
    expect(Math.max(...runs.map(({ homeMs }) => homeMs))).toBeGreaterThan(0);
  });

  it("do the same in every run of a seed", { timeout: TIMEOUT_MS }, async () => {
    for (const seed of [3, 7]) {
      const again = await runFacadeWorld(seed);
      expect(again.lines).toEqual(runs[seed - 1]?.lines);
      expect(again.traceHash).toBe(runs[seed - 1]?.traceHash);
    }
    expect(new Set(runs.map(({ traceHash }) => traceHash)).size).toBe(runs.length);
  });
});

/** A server and a client, one of which is patient with the other. */
async function pair(patient: "server" | "client") {
  const clock = virtualClock({ startMs: 0 });
  const random = seededRandom(`stalls of the ${patient}'s peer`);
  const network = new VirtualNetwork({ clock, random });
  const view = { server: clock.view(), client: clock.view() };
  const optionsOf = (name: "server" | "client") => {
    const keys = generateKeyPair(random.fork(`key of the ${name}`));
    return {
      transport: network.transport(name),
      clock: view[name],
      random: random.fork(name),
      identity: {
        publicKey: publicKeyDerOf(keys.publicKeyPem),
        sign: signerOf(keys.privateKeyPem),
      },
      deadAfterMs: name === patient ? 60_000 : 3000,
    };
  };
  const server = new QWormholeServer({ ...optionsOf("server"), host: "server", port: 1 });
  const client = new QWormholeClient({ ...optionsOf("client"), host: "server", port: 1 });
  const ends: unknown[] = [];
  client.on("disconnect", ({ error }) => ends.push(error));
  server.on("clientClosed", ({ error }) => ends.push(error));
  const run = <Value>(work: Promise<Value>) => clock.runUntilSettled(work, 60_000);
  await run(server.listen());
  await run(client.connect());
  await clock.runFor(2000);
  return { clock, network, view, server, client, ends };
}

describe("a process that stood still for ten seconds", () => {
  it.each(["server", "client"] as const)("does not take the %s for dead", async (patient) => {
    const stalled = patient === "server" ? "client" : "server";
    const { clock, network, view, server, client, ends } = await pair(patient);
    const got: unknown[] = [];
    client.on("message", (value) => got.push(value));
    server.on("message", ({ data }) => got.push(data));
    view[stalled].stall(10_000);
    network.stall(stalled, 10_000);
    await clock.runFor(1000);
    if (patient === "server") server.broadcast("meanwhile");
    else client.send("meanwhile");
    await clock.runFor(30_000);
    expect(ends).toEqual([]);
    expect(got).toEqual(["meanwhile"]);
  });
});

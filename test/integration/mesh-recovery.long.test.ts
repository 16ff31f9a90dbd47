/**
 * Guide 4, "Integration Tests", the two that need no consensus: a node is killed and comes back; a
 * node is cut off by its cable. Four real daemons in network namespaces. The names of the tests are
 * those of the guide; the other two are in `mesh-self-healing.long.test.ts`.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MeshLab, whyNoLab } from "../support/mesh-lab.mjs";
import type { LabMachine } from "../support/mesh-lab-machine.mjs";

const missing = whyNoLab();
const name = "three nodes on a LAN";
const TIMEOUT_MS = 60_000;

interface Told {
  readonly id: string;
  readonly state: string;
  readonly subject: { readonly name: string };
  readonly openedAtMs: number;
  readonly closedAtMs: number | null;
}

describe.skipIf(missing !== undefined)(missing ? `${name} (${missing})` : name, () => {
  let lab: MeshLab;
  let [a, b, c]: LabMachine[] = [];

  beforeAll(async () => {
    lab = await MeshLab.create();
    const lan = await lab.network.addLan();
    [a, b, c] = await Promise.all(
      ["node-a", "node-b", "node-c"].map((one) => lab.machine(one, lan)),
    );
    await lab.found(a as LabMachine);
    await lab.join(b as LabMachine, a as LabMachine);
    await lab.join(c as LabMachine, a as LabMachine);
    await lab.agree([a, b, c] as LabMachine[], TIMEOUT_MS);
  }, 120_000);
  afterAll(() => lab?.close());

  const incidents = async (machine: LabMachine, subject: string): Promise<Told[]> => {
    const path = "/api/healing/incidents?kind=peer-unreachable";
    const { incidents: all } = (await machine.json(path)) as { incidents: Told[] };
    return all.filter((one) => one.subject.name === subject);
  };

  const closed = (machine: LabMachine, subject: string, sinceMs: number) =>
    lab.until(
      async () => {
        const [newest] = await incidents(machine, subject);
        return newest !== undefined && newest.openedAtMs >= sinceMs && newest.closedAtMs !== null;
      },
      `${machine.name} to close its incident about ${subject}`,
      TIMEOUT_MS,
    );

  it("test_node_failure_recovery", async () => {
    const [first, second, third] = [a, b, c] as [LabMachine, LabMachine, LabMachine];
    const sinceMs = Date.now();
    // Stop node.
    await second.kill();

    // Verify that the healing loop detects it, at both others.
    for (const machine of [first, third]) {
      await lab.until(
        async () => {
          const [newest] = await incidents(machine, second.name);
          return newest !== undefined && newest.openedAtMs >= sinceMs;
        },
        `${machine.name} to notice`,
        TIMEOUT_MS,
      );
      const { count, missing: gone } = await machine.json("/mesh/peers");
      expect({ count, gone: gone.map((one: { name: string }) => one.name) }).toEqual({
        count: 1,
        gone: [second.name],
      });
    }

    // Restart, verify convergence.
    second.start();
    await lab.agree([first, second, third], TIMEOUT_MS);
    await closed(first, second.name, sinceMs);
    await closed(third, second.name, sinceMs);
    const [told] = await incidents(first, second.name);
    const page = await first.cli(["heal", "explain", told?.id ?? ""]);
    expect(page).toContain(`${second.name} does not answer`);
    expect(page).toMatch(/How long it took/);
  }, 180_000);

  it("test_network_partition", async () => {
    const [first, second, third] = [a, b, c] as [LabMachine, LabMachine, LabMachine];
    const sinceMs = Date.now();
    // Isolate node.
    await third.port.linkDown();

    // Verify routing updates.
    for (const machine of [first, second]) {
      await lab.until(
        async () => {
          const { routes } = await machine.json("/mesh/routes");
          return routes.every((route: { name: string }) => route.name !== third.name);
        },
        `${machine.name} to route around ${third.name}`,
        TIMEOUT_MS,
      );
    }

    // Heal, verify restoration.
    await third.port.linkUp();
    await lab.agree([first, second, third], TIMEOUT_MS);
    for (const machine of [first, second, third]) {
      await lab.until(
        async () => (await machine.json("/mesh/routes")).routes.length === 2,
        `${machine.name} to have a route to both others`,
        TIMEOUT_MS,
      );
    }
    await closed(first, third.name, sinceMs);
  }, 180_000);

  it("meets the load test's figures without a failed request", () => {
    const script = fileURLToPath(new URL("../../scripts/loadtest.mjs", import.meta.url));
    const args = ["--users", "10", "--spawn-rate", "50", "--run-time", "2"];
    const { status, stdout } = spawnSync(process.execPath, [script, ...args], {
      encoding: "utf8",
      timeout: TIMEOUT_MS,
    });
    expect(status, stdout).toBe(0);
    expect(stdout).toMatch(/^all +\d+ +0 /m);
    expect(stdout).toMatch(/p50 latency +< 50 ms/);
  }, 90_000);
});

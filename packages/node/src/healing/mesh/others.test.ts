import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type NodeId, silentLogger, systemClock } from "@hearthmesh/core";
import type { Fact, Monitor, Symptom } from "@hearthmesh/healing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ClockMonitor } from "./clock-monitor.js";
import { FailOverHub } from "./fail-over-hub.js";
import { HubMonitor } from "./hub-monitor.js";
import { PartitionMonitor } from "./partition-monitor.js";
import { PeerMonitor } from "./peer-monitor.js";
import { PeerWatch } from "./peer-watch.js";
import { ReRoute } from "./re-route.js";
import { Redial } from "./redial.js";
import { Rejoin } from "./rejoin.js";
import { ServiceMonitor } from "./service-monitor.js";
import { LocalMesh } from "./testing/local-mesh.js";
import { WayMonitor } from "./way-monitor.js";
import { WithdrawService } from "./withdraw-service.js";

const clock = systemClock();
const { signal } = new AbortController();

function symptomOf(fact: Fact): Symptom {
  const { symptom: kind, subject, evidence, values = {} } = fact;
  const said = [{ text: evidence, atMs: 0 }];
  return { kind, subject, severity: "warning", sinceMs: 0, evidence: said, values };
}

const look = (monitor: Monitor) => monitor.look(signal);

/** What the monitor says about the subject as soon as it is of that verdict. */
async function saying(monitor: Monitor, name: string, verdict: Fact["verdict"]): Promise<Fact> {
  for (let endMs = Date.now() + 20_000; Date.now() < endMs; ) {
    const facts = await monitor.look(signal);
    const found = facts.find((fact) => fact.subject.name === name && fact.verdict === verdict);
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const last = JSON.stringify(await monitor.look(signal));
  throw new Error(`${monitor.name} never said ${verdict} of ${name}: ${last}`);
}

describe("a node that looks at others", () => {
  let local: LocalMesh;
  let service: Server;
  beforeAll(async () => {
    local = await LocalMesh.start(["a", "b", "c"]);
    service = createServer((_request, response) => response.end("hello"));
    await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
  });
  afterAll(async () => {
    await local.stop();
    service.close();
  });

  function sight(name: string) {
    const { parts } = local.node(name).mesh;
    const isRevoked = (nodeId: NodeId) => local.revoked.has(nodeId);
    const peers = new PeerWatch({ parts, isRevoked, clock, log: silentLogger });
    return {
      ...{ parts, peers },
      lives: new PeerMonitor({ peers, parts }),
      ways: new WayMonitor({ peers, parts }),
      partition: new PartitionMonitor({ peers, memberId: "alice", nodeName: name }),
    };
  }

  const port = () => (service.address() as AddressInfo).port;

  it("sees a crash with its evidence, dials in vain, and sees it come back", async () => {
    const { parts, peers, lives, ways, partition } = sight("a");
    let wakes = 0;
    const unwatch = lives.watch(() => wakes++);
    expect((await saying(lives, "b", "well")).evidence).toContain("with a direct link");
    await saying(lives, "c", "well");
    for (const name of ["b", "c"]) {
      const { registry } = local.node(name).mesh.parts;
      await registry.add({ name: "echo", port: port(), capabilities: [], protocol: "http" });
    }
    const offers = () => parts.services.all().filter((one) => one.service === "echo").length;
    while (offers() < 2) await new Promise((resolve) => setTimeout(resolve, 20));
    await look(lives);

    const before = wakes;
    await local.crash("b");
    const ill = await saying(lives, "b", "ill");
    expect(wakes).toBeGreaterThan(before);
    expect(ill.evidence).toMatch(/^membership declared it dead: nothing was heard of it for /);
    expect(ill.evidence).toContain("its last link broke");
    expect(ill.evidence).toContain("echo is served by c now");
    // One of three is a crash; the other monitors leave it to this one.
    await saying(partition, "the mesh", "well");
    expect((await look(ways)).some(({ subject }) => subject.name === "b")).toBe(false);

    const redial = new Redial({ parts, clock });
    const { did } = await redial.apply(symptomOf(ill), signal);
    expect(did).toMatch(/^dialled 1 address of b: nothing listens there \(127\.0\.0\.1:\d+\)$/);
    await local.startNode("b");
    await redial.apply(symptomOf(ill), signal);
    await saying(lives, "b", "well");
    await saying(ways, "b", "well");
    // What it only waited for is not its doing.
    const waited = await redial.apply(symptomOf(ill), signal);
    expect(waited).toMatchObject({ changedNothing: true });
    expect(waited.did).toBe("a link to b is still open, and it answers again");
    unwatch();
    expect(peers.notes().find(({ name }) => name === "b")?.hadTrouble).toBe(true);
  });

  it("notes that one left and is back, and does not speak of one that was revoked", async () => {
    const { lives, parts } = sight("a");
    await local.startNode("d");
    const { nodeId } = local.node("d");
    await saying(lives, "d", "well");
    await local.leave("d");
    while (parts.swim.peer(nodeId)?.state !== "left") {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const told = async () =>
      (await look(lives)).map((one) => `${one.symptom} ${one.subject.name} ${one.verdict}`).sort();
    expect(await told()).toEqual([
      ...["node-left d ill", "peer-unreachable b well", "peer-unreachable c well"],
    ]);
    await local.startNode("d");
    await saying(lives, "d", "well");
    expect(await told()).toContain("node-left d well");
    await local.leave("d");
    while (parts.swim.peer(nodeId)?.state !== "left") {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    local.revoked.add(local.node("c").nodeId).add(nodeId);
    expect(await told()).toEqual(["peer-unreachable b well"]);
    local.revoked.clear();
  });

  it("asks the others for the time", async () => {
    const { parts } = sight("a");
    const node = { nodeId: local.node("a").nodeId, name: "a" };
    const ahead = { ...clock, nowMs: () => clock.nowMs() + 60_000 };
    let monotonicMs = 0;
    const at = (wall: Pick<typeof clock, "nowMs">) => {
      const steps = { ...clock, ...wall, monotonicMs: () => monotonicMs };
      return new ClockMonitor({ parts, node, speaksOfOthers: () => true, clock: steps });
    };
    const own = at({ nowMs: () => clock.nowMs() });
    const off = at({ nowMs: () => ahead.nowMs() });
    expect((await look(own)).map(({ verdict }) => verdict)).toEqual(["unknown"]);
    monotonicMs = 10_000;
    await saying(own, "b", "well");
    expect((await saying(own, "a", "well")).evidence).toContain("2 other nodes");
    const ill = await saying(off, "a", "ill");
    expect(ill.evidence).toBe("it is 60 s ahead of the median of 2 other nodes (mark: 5.0 s)");
    // Whose clock is wrong is known, so the others are well.
    await saying(off, "b", "well");
  });

  it("asks a service that fails again, and says where requests go", async () => {
    const { parts } = local.node("c").mesh;
    const monitor = new ServiceMonitor(parts);
    const remedy = new WithdrawService(parts);
    await saying(monitor, "echo", "well");
    const at = port();
    service.closeAllConnections();
    await new Promise((resolve) => service.close(resolve));
    parts.health.connectFailed("echo", "connection refused");
    const ill = await saying(monitor, "echo", "ill");
    expect(ill.evidence).toContain("connection refused");
    const { did } = await remedy.apply(symptomOf(ill));
    expect(did).toContain("is announced as failing: ");
    await new Promise<void>((resolve) => service.listen(at, "127.0.0.1", resolve));
    // Its own check may have come first.
    expect((await remedy.apply(symptomOf(ill))).did).toMatch(/it works|had passed a check by then/);
    await saying(monitor, "echo", "well");
    expect(await remedy.apply(symptomOf(ill))).toEqual({
      ...{ did: "echo had passed a check by then", changedNothing: true },
    });
  });

  it("takes no credit for a way that was there by then", async () => {
    const { parts, ways } = sight("a");
    const fact = await saying(ways, "c", "well");
    expect(fact.evidence).toBe("the link to it is a direct one");
    const missing = { ...symptomOf(fact), kind: "route-missing" } as const;
    for (const remedy of [new ReRoute(parts), new Redial({ parts, clock })]) {
      expect(await remedy.apply(missing, signal)).toEqual({
        ...{ did: "a link to c was open by then", changedNothing: true },
      });
    }
  });

  it("takes the loss of all others at once for a partition, and rejoins them", async () => {
    const { parts, peers, partition } = sight("a");
    const unwatch = partition.watch(() => undefined);
    await saying(partition, "the mesh", "well");
    await Promise.all([local.crash("b"), local.crash("c")]);
    const ill = await saying(partition, "the mesh", "ill");
    expect(ill.evidence).toMatch(
      /^2 of 3 nodes were lost within .*: [bc] and [bc]; on this side is a$/,
    );
    await Promise.all([local.startNode("b"), local.startNode("c")]);
    const rejoin = new Rejoin({ parts, peers, clock });
    const { did } = await rejoin.apply(symptomOf(ill), signal);
    // Those that were started may have dialled first.
    expect(did).toMatch(/^dialled (\d lost node|nobody; \d node).*, and exchanged views with \d/);
    await saying(partition, "the mesh", "well");
    unwatch();
  });

  it("fails over to other relays when a hub is away, and misses the last one", async () => {
    expect(await look(new HubMonitor(sight("a").parts))).toEqual([]);
    const hub = local.linkAddress("a");
    await local.startNode("e", [hub]);
    const { parts } = sight("e");
    const monitor = new HubMonitor(parts);
    const redial = new Redial({ parts, clock });
    const failOver = new FailOverHub(parts);
    await saying(monitor, hub, "well");
    while (parts.links.openLinks().length < 3) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await local.crash("a");
    const stoodIn = async () => (await look(monitor))[0]?.evidence.includes("pass streams on");
    while (!(await stoodIn())) await new Promise((resolve) => setTimeout(resolve, 20));
    const lost = symptomOf((await saying(monitor, hub, "well")) as Fact);
    expect(failOver.blockedBy(lost)).toBeUndefined();
    // The one that crashed may have been dialled once more before its port was closed.
    const failedOver = async () => (await failOver.apply(lost, signal)).did;
    const byThen = "which can pass streams on, were open by then";
    await expect.poll(failedOver).toMatch(new RegExp(`^links to [bc] and [bc], ${byThen}`));
    await Promise.all([local.crash("b"), local.crash("c")]);
    const ill = symptomOf(await saying(monitor, hub, "ill"));
    await expect.poll(() => failOver.blockedBy(ill)).toBe("no other hub or relay is known");
    await local.startNode("a");
    expect((await redial.apply(ill, signal)).did).toMatch(/^asked 127\.0\.0\.1:\d+ where it is: /);
    await saying(monitor, hub, "well");
  });
});

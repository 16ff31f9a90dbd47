/**
 * The dashboards and alerts of `deploy/monitoring` against a real Prometheus that scrapes a live
 * mesh of three nodes: every query gives data, every rule can be evaluated, what can be provoked
 * fires and ends.
 */
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { alertRules } from "../../scripts/alerts-page.mjs";
import { root } from "../../scripts/lib.mjs";
import { type MeshProcesses, meshOk } from "../../scripts/mesh-processes.mjs";
import { startThreeNodes } from "../../scripts/three-nodes.mjs";
import { enginePids } from "../support/ai-pool.js";
import { differences, documentedMetrics, familiesOf } from "../support/exposition.js";
import { Prometheus, promtool, whyNoPrometheus } from "../support/prometheus.js";

const monitoring = join(root, "deploy/monitoring");
const patience = { timeout: 120_000, interval: 500 };
/** Metrics that only a member with a friend has. */
const OF_FRIENDS = ["collective_peer_up", "collective_peer_trust_seconds"];
/** Metrics that are there only while something is so that this test does not make. */
const elsewhere = (name: string) =>
  [...OF_FRIENDS, "mesh_relay_refused_total"].includes(name) || name.startsWith("mesh_overlay_");

interface Panel {
  readonly title: string;
  readonly targets: readonly { readonly expr: string }[];
}

function dashboards(): { title: string; panels: Panel[] }[] {
  const folder = join(monitoring, "grafana/dashboards");
  return readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")));
}

/**
 * What Grafana would ask, with the interval of this test's scrapes. A panel that leaves out what is
 * zero is asked for all: that there is nothing to show is no fault.
 */
const asked = (expression: string) =>
  expression.replaceAll("$__rate_interval", "20s").replace(/ > 0(?=\)?$)/, "");

const missing = whyNoPrometheus();
const title = `a real Prometheus${missing === undefined ? "" : ` (skipped: ${missing})`}`;

describe.skipIf(missing !== undefined)(title, () => {
  const folder = mkdtempSync(join(tmpdir(), "hearthmesh-prometheus-"));
  let member: MeshProcesses;
  let prometheus: Prometheus;

  /** At the node that coordinates. */
  const door = () => member.coordinator.httpUrl;

  beforeAll(async () => {
    const roles = ["--role", "storage", "--role", "ai", "--capacity", "4GB"];
    member = await startThreeNodes({ folder, coordinatorExtra: roles } as never);
    // Whatever is ill fires at once: how long it has to be so is what rules.test.yml proves.
    const rules = readFileSync(join(monitoring, "rules.yml"), "utf8");
    const targets = Object.fromEntries(
      member.processes.map(({ name, metricsUrl }) => [name, new URL(metricsUrl).host]),
    );
    const atOnce = rules.replaceAll(/^ {8}for: .*\n/gm, "");
    prometheus = await Prometheus.start({ folder: join(folder, "watch"), targets, rules: atOnce });
    await work();
  }, 180_000);

  afterAll(async () => {
    await prometheus?.stop();
    await member?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  /** Files and an answer of a model, so that there is something to count. */
  async function work(): Promise<void> {
    await meshOk(member.coordinator.home, ["mkdir", "/shared", "--parents"]);
    const url = `${door()}/api/files/content?path=/shared/a`;
    const written = await fetch(url, { method: "PUT", body: randomBytes(1 << 20) });
    expect(written.status).toBeLessThan(300);
    expect((await (await fetch(url)).arrayBuffer()).byteLength).toBe(1 << 20);
    const messages = [{ role: "user", content: "Once upon a time" }];
    const chat = await fetch(`${door()}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "demo", messages, max_tokens: 8 }),
    });
    expect(chat.status, await chat.text()).toBe(200);
  }

  /** The engine of the model stands still: that is mended by ending it and starting another. */
  async function hangEngine(): Promise<void> {
    const { metricsUrl } = member.coordinator;
    const [engine] = enginePids(member.coordinator);
    if (engine === undefined) throw new Error("no model is loaded");
    process.kill(engine, "SIGSTOP");
    await vi.waitFor(async () => {
      const text = await (await fetch(`${metricsUrl}/metrics`)).text();
      expect(text).toContain("mapek_recovery_seconds_count");
    }, patience);
  }

  /** What membership does not accept. */
  async function sendJunk(): Promise<void> {
    const socket = createSocket("udp4");
    const port = 7946 + member.coordinator.portBase;
    await new Promise((resolve) => socket.send(randomBytes(200), port, "127.0.0.1", resolve));
    socket.close();
  }

  const firing = async (name: string) =>
    (await prometheus.rules()).some((rule) => rule.name === name && rule.state === "firing");

  it("finds no fault with configuration, rules, their tests and what nodes export", async () => {
    promtool(["check", "config", join(monitoring, "prometheus.yml")]);
    promtool(["check", "rules", join(monitoring, "rules.yml")]);
    promtool(["test", "rules", join(monitoring, "rules.test.yml")]);
    for (const { metricsUrl } of member.processes) {
      const text = await (await fetch(`${metricsUrl}/metrics`)).text();
      // The name is the one of the homelab guide.
      promtool(["check", "metrics"], text.replaceAll("collective_nodes_total", "collective_nodes"));
    }
  });

  it("sees three nodes online and six peers, as the guide says", async () => {
    const [overview] = dashboards().filter((one) => one.title === "Mesh Overview");
    const shown = async (panel: string) => {
      const { targets = [] } = overview?.panels.find((one) => one.title === panel) ?? {};
      return (await prometheus.query(`${targets[0]?.expr}`))[0]?.value[1];
    };
    await vi.waitFor(async () => {
      expect(await shown("Nodes online")).toBe("3");
      expect(await shown("Peer count")).toBe("6");
    }, patience);
  });

  it("sees what was mended and what was refused", async () => {
    await hangEngine();
    await sendJunk();
    await vi.waitFor(async () => {
      const refused = await prometheus.query("sum(mesh_membership_refused_total)");
      expect(Number(refused[0]?.value[1])).toBeGreaterThan(0);
    }, patience);
  });

  it("sees that a loaded model gives tokens, and the chunks and keys of the canary", async () => {
    await vi.waitFor(async () => {
      const tried = await prometheus.query('mesh_canary_status{node="node-a"}');
      const found = tried.map(({ metric, value }) => `${metric.step} ${value[1]}`);
      expect(found.sort()).toEqual(["chunk 1", "store 1", "token 1"]);
    }, patience);
  });

  it("fires when a node falls silent or healing is paused, and ends when all is well", async () => {
    const third = member.nodes[1]!;
    const expected = ["NodeDown", "PeerUnreachable", "StorageNodeAway", "MemberDegraded"];
    third.child?.kill("SIGSTOP");
    const seen = new Set<string>();
    try {
      await vi.waitFor(async () => {
        for (const { name, state, alerts } of await prometheus.rules()) {
          if (state !== "firing") continue;
          seen.add(name);
          const texts = alerts.flatMap(({ annotations }) => Object.values(annotations));
          expect(texts.join(), name).not.toContain("error expanding");
        }
        expect([...seen]).toEqual(expect.arrayContaining(expected));
      }, patience);
    } finally {
      third.child?.kill("SIGCONT");
    }
    await meshOk(member.coordinator.home, ["heal", "pause", "--for", "10m"]);
    await vi.waitFor(async () => expect(await firing("HealingPaused")).toBe(true), patience);
    await meshOk(member.coordinator.home, ["heal", "resume"]);
    await vi.waitFor(async () => {
      for (const name of [...expected, "HealingPaused"]) expect(await firing(name)).toBe(false);
    }, patience);
  });

  it("evaluates every rule, and knows every metric in it", async () => {
    await vi.waitFor(async () => {
      const rules = await prometheus.rules();
      expect(rules).toHaveLength(alertRules().length);
      expect(rules.filter(({ health }) => health !== "ok")).toEqual([]);
    }, patience);
    for (const { alert, expr } of alertRules()) {
      for (const [metric] of expr.matchAll(/\b(?:collective|mesh|mapek)_\w+/g)) {
        if (OF_FRIENDS.includes(metric)) continue;
        const ever = await prometheus.query(`count(last_over_time(${metric}[1h]))`);
        expect(ever.length, `${alert}: ${metric}`).toBe(1);
      }
    }
  });

  it("has data for every query of every dashboard", async () => {
    await work();
    for (const { title: name, panels } of dashboards()) {
      expect(panels.length, name).toBeGreaterThan(10);
      for (const { title: panel, targets } of panels) {
        for (const { expr } of targets) {
          await vi.waitFor(async () => {
            const series = await prometheus.seriesOf(asked(expr));
            expect(series, `${name}, ${panel}: ${expr}`).toBeGreaterThan(0);
          }, patience);
        }
      }
    }
  });

  it("is told by the nodes what the page says, and all of that", async () => {
    const exported = new Set<string>();
    for (const { metricsUrl } of member.processes) {
      const families = familiesOf(await (await fetch(`${metricsUrl}/metrics`)).text());
      expect(differences(families.values())).toEqual([]);
      for (const name of families.keys()) exported.add(name);
    }
    const silent = [...documentedMetrics().keys()].filter((name) => !exported.has(name));
    // Incidents are over by now; Prometheus has seen them.
    expect(await prometheus.query("count(last_over_time(mapek_incidents_open[1h]))")).toHaveLength(
      1,
    );
    const over = (name: string) => name === "mapek_incidents_open";
    expect(silent.filter((name) => !elsewhere(name) && !over(name))).toEqual([]);
  });
});

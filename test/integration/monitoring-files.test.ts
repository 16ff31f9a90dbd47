/** The files of `deploy/monitoring` that no program is needed to judge. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { alertRules, alertsPage } from "../../scripts/alerts-page.mjs";
import { root } from "../../scripts/lib.mjs";
import { documentedMetrics } from "../support/exposition.js";

const monitoring = join(root, "deploy/monitoring");
const read = (name: string) => readFileSync(join(root, name), "utf8");
const METRIC = /\b(?:collective|mesh|mapek)_\w+/g;

interface Place {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly templating: {
    readonly list: readonly {
      readonly name: string;
      readonly type: string;
      readonly current: { readonly value: string };
    }[];
  };
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly gridPos: Place;
    readonly datasource: { readonly uid: string };
    readonly targets: readonly { readonly expr: string }[];
  }[];
}

const folder = join(monitoring, "grafana/dashboards");
const dashboards = readdirSync(folder).map(
  (name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as Dashboard,
);

/** Documented, or a part of a documented histogram. */
function isDocumented(name: string): boolean {
  const known = documentedMetrics();
  return known.has(name) || known.has(name.replace(/_(bucket|sum|count)$/, ""));
}

describe("dashboards", () => {
  it("are those of the design, under the names of the guide", () => {
    const titles = ["AI Pool", "Healing", "Mesh Overview", "Storage"];
    expect(dashboards.map(({ title }) => title).sort()).toEqual(titles);
    expect(new Set(dashboards.map(({ uid }) => uid)).size).toBe(4);
    const provider = parse(
      read("deploy/monitoring/grafana/provisioning/dashboards/hearthmesh.yml"),
    );
    expect(provider.providers[0].folder).toBe("x0tta6bl4");
  });

  it("have panels side by side, of documented metrics, from the source that is provisioned", () => {
    const sources = parse(
      read("deploy/monitoring/grafana/provisioning/datasources/prometheus.yml"),
    );
    const [{ uid }] = sources.datasources;
    for (const { title, panels, templating } of dashboards) {
      // Another Grafana has another source: its dashboards ask which.
      const [source] = templating.list;
      expect([source?.name, source?.type, source?.current.value], title).toEqual([
        ...["datasource", "datasource", uid],
      ]);
      expect(new Set(panels.map(({ id }) => id)).size, title).toBe(panels.length);
      const taken = new Map<string, string>();
      for (const panel of panels) {
        const { x, y, w, h } = panel.gridPos;
        expect(x + w, panel.title).toBeLessThanOrEqual(24);
        for (let at = 0; at < w * h; at++) {
          const cell = `${x + (at % w)},${y + Math.floor(at / w)}`;
          expect(taken.get(cell), `${title}: ${panel.title} lies on`).toBeUndefined();
          taken.set(cell, panel.title);
        }
        expect(panel.datasource.uid).toBe("$" + "{datasource}");
        for (const [metric] of panel.targets.flatMap(({ expr }) => [...expr.matchAll(METRIC)])) {
          expect(isDocumented(metric), `${title}, ${panel.title}: ${metric}`).toBe(true);
        }
      }
    }
  });
});

/** Of a member, not of a node: each of its coordinators exports them. */
function isOfMember(name: string): boolean {
  const { labels = [] } = documentedMetrics().get(name) ?? {};
  return labels.includes("member") && !labels.includes("node");
}

describe("numbers of a member", () => {
  it("are counted once, however many coordinators tell them", () => {
    for (const { title, panels } of dashboards) {
      for (const { expr } of panels.flatMap(({ targets }) => targets)) {
        for (const [whole, name = ""] of expr.matchAll(/\bsum\((\w+)\)/g)) {
          expect(isOfMember(name), `${title}: ${whole}`).toBe(false);
        }
      }
    }
  });
});

describe("alerts", () => {
  it("are of documented metrics and name commands that there are; their page is fresh", () => {
    const commands = read("docs/cli.md");
    for (const { alert, expr, annotations, labels } of alertRules()) {
      expect(["critical", "warning", "info"], alert).toContain(labels.severity);
      for (const [metric] of expr.matchAll(METRIC)) {
        expect(isDocumented(metric), `${alert}: ${metric}`).toBe(true);
      }
      expect(Object.keys(annotations), alert).toEqual(["summary", "description", "action"]);
      for (const [, command = ""] of annotations.action.matchAll(/`(mesh [a-z -]+)`/g)) {
        expect(commands.includes(`\n## ${command}\n`), `${alert}: ${command}`).toBe(true);
      }
    }
    expect(read("docs/alerts.md")).toBe(alertsPage());
  });

  it("go to an Alertmanager that has somebody to tell", () => {
    const { route, receivers } = parse(read("deploy/monitoring/alertmanager.yml"));
    const names = receivers.map(({ name }: { name: string }) => name);
    for (const { receiver } of [route, ...route.routes]) expect(names).toContain(receiver);
    const { alerting } = parse(read("deploy/monitoring/prometheus.yml"));
    expect(alerting.alertmanagers[0].static_configs[0].targets).toEqual(["127.0.0.1:9093"]);
    expect(read("docs/watching.md")).toContain("--web.listen-address=127.0.0.1:9093");
  });

  it("each have a test in which they fire", () => {
    const { tests } = parse(read("deploy/monitoring/rules.test.yml")) as {
      tests: { name: string }[];
    };
    expect(tests.map(({ name }) => name)).toEqual(alertRules().map(({ alert }) => alert));
  });
});

describe("what the compose files give Prometheus and Grafana", () => {
  const composed = ["deploy/mesh-3", "examples/federation"];
  const services = (folder: string) => parse(read(`${folder}/docker-compose.yml`)).services;
  const mounted = (folder: string, service: string): Map<string, string> => {
    const volumes = services(folder)[service].volumes as string[];
    return new Map(
      volumes.map((one) => {
        const [source = "", target = ""] = one.split(":");
        return [target, join(folder, source)];
      }),
    );
  };

  it("is each node once, in the job that rules and dashboards ask for, by its own name", () => {
    for (const folder of [...composed, "deploy/monitoring"]) {
      const { scrape_configs: jobs } = parse(read(`${folder}/prometheus.yml`));
      expect(jobs.map((one: { job_name: string }) => one.job_name)).toEqual(["hearthmesh"]);
      const targets = jobs[0].static_configs as {
        targets: string[];
        labels: { instance: string };
      }[];
      expect(targets.every((one) => one.targets.length === 1)).toBe(true);
      const instances = targets.map(({ labels }) => labels.instance);
      expect(new Set(instances).size, folder).toBe(instances.length);
    }
    const all = parse(read("examples/federation/prometheus.yml")).scrape_configs[0].static_configs;
    const containers = Object.values(services("examples/federation") as Record<string, object>)
      .map((one) => ("container_name" in one ? `${one.container_name}` : ""))
      .filter((name) => name !== "" && name !== "prometheus");
    expect(all.map((one: { targets: string[] }) => one.targets[0])).toEqual(
      containers.map((name) => `${name}:9090`),
    );
  });

  it("is every rule, where the configuration looks for it", () => {
    for (const folder of composed) {
      const files = mounted(folder, "prometheus");
      expect(files.get("/etc/prometheus/prometheus.yml")).toBe(join(folder, "prometheus.yml"));
      const { rule_files: rules } = parse(read(`${folder}/prometheus.yml`));
      expect(rules.map((path: string) => files.get(path))).toEqual(["deploy/monitoring/rules.yml"]);
    }
  });

  it("is the data source and the dashboards, where Grafana looks for them", () => {
    const files = mounted("deploy/mesh-3", "grafana");
    const grafana = "deploy/monitoring/grafana";
    expect(files.get("/etc/grafana/provisioning")).toBe(`${grafana}/provisioning`);
    const [provider] = parse(read(`${grafana}/provisioning/dashboards/hearthmesh.yml`)).providers;
    expect(files.get(provider.options.path)).toBe(`${grafana}/dashboards`);
    const sources = parse(read(`${grafana}/provisioning/datasources/prometheus.yml`)).datasources;
    const { hostname, port } = new URL(sources[0].url);
    const ports = services("deploy/mesh-3")[hostname].ports as string[];
    expect(ports.map((one) => one.split(":").at(-1))).toEqual([port]);
    const { global } = parse(read("deploy/mesh-3/prometheus.yml"));
    expect(sources[0].jsonData.timeInterval).toBe(global.scrape_interval);
  });
});

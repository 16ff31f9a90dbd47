/**
 * `deploy/mesh-3` as a program reads it: what each node is told, what it may read and do, and what
 * is open to whom. Nothing is started here.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { loadConfig } from "./load.js";
import { configurationPage } from "./reference.js";

interface Service {
  container_name: string;
  hostname?: string;
  environment?: Record<string, string>;
  ports: string[];
  volumes: string[];
  networks: string[];
  read_only?: boolean;
  cap_drop: string[];
  security_opt: string[];
}

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const read = (...path: string[]) => readFileSync(join(root, ...path), "utf8");
const text = read("deploy", "mesh-3", "docker-compose.yml");
const file = parse(text, { merge: true });
const services = new Map(Object.entries(file.services as Record<string, Service>));
const NODES = ["node-a", "node-b", "node-c"];
const filled = (value: string) => value.replace(/\$\{\w+:-(.*?)\}/g, "$1");
function service(name: string): Service {
  const found = services.get(name);
  if (found === undefined) throw new Error(`there is no service ${name}`);
  return found;
}

describe("the compose file of the deployment guide", () => {
  it("is the project, the containers and the network that its commands name", () => {
    // The project is named after its folder: docker-compose 1.29 refuses a file that has a name.
    expect(file).not.toHaveProperty("name");
    expect(file.networks).toEqual({ mesh: { name: "x0tta6bl4_mesh" } });
    expect([...services.keys()]).toEqual([...NODES, "prometheus", "grafana"]);
    for (const [name, one] of services) {
      expect(one.container_name).toBe(`x0tta6bl4-${name}`);
      expect(one.networks).toEqual(["mesh"]);
    }
  });

  it("publishes the guide's ports, and on this machine alone", () => {
    const ports = [...services.values()].flatMap((one) => one.ports.map(filled));
    expect(ports).toEqual([
      ...["8000:8000", "9090:9090", "8001:8000", "9091:9090", "8002:8000", "9092:9090"].map(
        (pair) => `127.0.0.1:${pair}`,
      ),
      "127.0.0.1:9093:9090",
      "127.0.0.1:3000:3000",
    ]);
  });

  it("tells each node what it is by variables that the product knows and takes", () => {
    const known = configurationPage();
    for (const name of NODES) {
      const variables = Object.entries(service(name).environment ?? {});
      expect(variables.map(([key]) => key).filter((key) => !known.includes(`\`${key}\``))).toEqual(
        [],
      );
      const env = Object.fromEntries(variables.map(([key, value]) => [key, filled(value)]));
      const { config } = loadConfig({ flags: {}, env: { MESH_HOME: "/data", ...env }, cwd: "/" });
      expect(config).toMatchObject({
        nodeName: name,
        http: { host: "0.0.0.0", port: 8000 },
        metrics: { host: "0.0.0.0", port: 9090 },
        httpViewers: ["gateway"],
        logLevel: "info",
        overlay: { type: "yggdrasil" },
      });
      const others = NODES.filter((other) => other !== name);
      expect(config.overlay.peers).toEqual(others.map((one) => `tcp://x0tta6bl4-${one}:9010`));
      const isFirst = name === "node-a";
      expect(config.nodeInviteFile).toBe(isFirst ? "/collective/join/nodes" : undefined);
      expect(config.mesh.tokenFile).toBe(isFirst ? undefined : "/collective/join/nodes");
    }
  });

  it("lets the invite be written by the coordinator alone, and holds no secret itself", () => {
    expect(service("node-a").volumes).toEqual(["node-a-data:/data", "join:/collective/join"]);
    for (const name of ["node-b", "node-c"]) {
      expect(service(name).volumes).toEqual([`${name}-data:/data`, "join:/collective/join:ro"]);
    }
    for (const name of ["prometheus", "grafana"]) {
      const own = service(name).volumes.filter((one) => !one.startsWith("."));
      expect(own.map((one) => one.split(":")[0])).toEqual([`${name}-data`]);
    }
    expect(text).not.toMatch(/PASSWORD|SECRET|_TOKEN:|_KEY|hm1-/);
  });

  it("runs all of them without privileges", () => {
    for (const [name, one] of services) {
      expect(one.cap_drop, name).toEqual(["ALL"]);
      expect(one.security_opt, name).toEqual(["no-new-privileges:true"]);
      expect(one.read_only === true, name).toBe(NODES.includes(name));
    }
    expect(text).not.toMatch(/cap_add|privileged: true|devices:|network_mode|docker\.sock/);
  });

  it("has Prometheus look at every node, with the rules of deploy/monitoring", () => {
    const { scrape_configs: jobs, rule_files: rules } = parse(
      read("deploy", "mesh-3", "prometheus.yml"),
    );
    expect(rules).toEqual(["/etc/prometheus/rules.yml"]);
    const lists = jobs[0].static_configs as { targets: string[]; labels: object }[];
    expect(lists).toEqual(
      NODES.map((name) => ({ targets: [`x0tta6bl4-${name}:9090`], labels: { instance: name } })),
    );
  });
});

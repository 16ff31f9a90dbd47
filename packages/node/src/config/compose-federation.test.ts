/**
 * `examples/federation/` against the tables of our page: services, addresses, ports, variables, and
 * what each container may read. Nothing is started here.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { loadConfig } from "./load.js";
import { configurationPage } from "./reference.js";

interface Service {
  image: string;
  container_name?: string;
  hostname?: string;
  environment?: string[] | Record<string, string>;
  ports?: string[];
  volumes?: string[];
  networks: string[] | { federation: { ipv4_address: string } };
  deploy?: { replicas: number };
  read_only?: boolean;
  cap_drop: string[];
  security_opt: string[];
}

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const read = (...path: string[]) => readFileSync(join(root, ...path), "utf8");
const file = parse(read("examples", "federation", "docker-compose.yml"), { merge: true });
const services = new Map(Object.entries(file.services as Record<string, Service>));
const page = read("docs", "homelab.md");
const MEMBERS = ["alice", "bob", "carol"];

function service(name: string): Service {
  const found = services.get(name);
  if (found === undefined) throw new Error(`there is no service ${name}`);
  return found;
}

function variablesOf({ environment = {} }: Service): Record<string, string> {
  if (!Array.isArray(environment)) return environment;
  return Object.fromEntries(
    environment.map((line) => [line.split("=")[0] ?? "", line.slice(line.indexOf("=") + 1)]),
  );
}

const addressOf = ({ networks }: Service) =>
  Array.isArray(networks) ? undefined : networks.federation.ipv4_address;
const filled = (text: string) => text.replace(/\$\{PUBLISH_ADDRESS:-(.+?)\}/, "$1");
const portsOf = ({ ports = [] }: Service) => ports.map(filled);

describe("the compose file of the federation", () => {
  it("has three coordinators, nine storage nodes, one to scale, and Prometheus", () => {
    const members = MEMBERS.flatMap((member) => [
      `${member}-coordinator`,
      ...["01", "02", "03"].map((number) => `${member}-node-${number}`),
    ]);
    expect([...services.keys()].sort()).toEqual([...members, "alice-node", "prometheus"].sort());
    for (const name of members) {
      expect(service(name)).toMatchObject({ container_name: name, hostname: name });
    }
    // Its containers get names and addresses of their own, however many there are.
    expect(service("alice-node")).toMatchObject({ deploy: { replicas: 0 } });
    expect(service("alice-node").container_name).toBeUndefined();
    expect(addressOf(service("alice-node"))).toBeUndefined();
  });

  it("gives each the address of the page", () => {
    expect(file.networks.federation.ipam.config).toEqual([{ subnet: "172.20.0.0/16" }]);
    for (const [index, member] of MEMBERS.entries()) {
      const tens = `172.20.0.${index + 1}`;
      const title = `${member[0]?.toUpperCase()}${member.slice(1)}'s`;
      expect(page).toContain(
        `${title}${member === "alice" ? " have" : ""} \`${tens}0\` to \`.${index + 1}3\``,
      );
      expect(addressOf(service(`${member}-coordinator`))).toBe(`${tens}0`);
      for (const node of [1, 2, 3]) {
        expect(addressOf(service(`${member}-node-0${node}`))).toBe(`${tens}${node}`);
      }
    }
    expect(addressOf(service("prometheus"))).toBe("172.20.0.100");
  });

  it("publishes the ports of the page on loopback, and tells clients the same", () => {
    const rows = page.split("\n").flatMap((line) => {
      const [, , inside, outside] = line.split("|").map((cell) => cell.trim());
      return /^\d+$/.test(inside ?? "") ? [`127.0.0.1:${outside}:${inside}`] : [];
    });
    const published = [...MEMBERS.map((member) => `${member}-coordinator`), "prometheus"];
    expect(published.flatMap((name) => portsOf(service(name)))).toEqual(rows);
    const others = [...services].filter(([name]) => !published.includes(name));
    expect(others.flatMap(([, { ports = [] }]) => ports)).toEqual([]);
    for (const member of MEMBERS) {
      const coordinator = service(`${member}-coordinator`);
      const [api, enrolment] = portsOf(coordinator).map((port) => port.replace(/:\d+$/, ""));
      const told = variablesOf(coordinator);
      expect(filled(told.MESH_API_ADVERTISE ?? "")).toBe(api);
      expect(filled(told.MESH_ENROL_ADVERTISE ?? "")).toBe(enrolment);
    }
  });

  it("sets the variables of the page, all of which the product knows and takes", () => {
    const known = configurationPage();
    const shown = [...page.matchAll(/^ {2}- (COLLECTIVE_\w+)=(.+)$/gm)].map(([, ...pair]) => pair);
    expect(variablesOf(service("alice-coordinator"))).toMatchObject(Object.fromEntries(shown));
    expect(shown).toHaveLength(7);
    for (const [name, one] of services) {
      const variables = variablesOf(one);
      const unknown = Object.keys(variables).filter((key) => !known.includes(`\`${key}\``));
      expect(unknown, name).toEqual([]);
      const values = Object.entries(variables).map(([key, value]) => [key, filled(value)] as const);
      const { config } = loadConfig({ flags: {}, env: Object.fromEntries(values), cwd: root });
      if (name.includes("-node")) {
        expect(config).toMatchObject({ capacityBytes: 512_000_000, roles: ["storage"] });
      } else if (name !== "prometheus") {
        expect(config).toMatchObject({ home: "/data", certificatesDirectory: "/collective/certs" });
      }
    }
    const domains = MEMBERS.map((member) => variablesOf(service(`${member}-coordinator`)));
    expect(domains.map((one) => one.COLLECTIVE_FEDERATION_DOMAIN)).toEqual([
      "home.alice",
      "garage.bob",
      "office.carol",
    ]);
  });

  it("lets nobody but a coordinator read its member's keys", () => {
    for (const [name, { volumes = [] }] of services) {
      const member = name.split("-")[0];
      const named = volumes.map((one) => one.split(":")[0] ?? "").filter((one) => one !== "");
      const own = named.filter((one) => one.startsWith(".") || one.startsWith(`${member}-`));
      expect(own, name).toEqual(named);
      if (name.endsWith("-coordinator") || name === "prometheus") continue;
      expect(named, name).not.toContain(`${member}-certs`);
      expect(named, name).not.toContain(`${member}-data`);
      // The invite of the member's nodes is read only.
      const join = volumes.filter((one) => one.includes("-join:"));
      expect(join, name).toEqual([`${member}-join:/collective/join:ro`]);
    }
  });

  it("runs all of them without privileges", () => {
    for (const [name, one] of services) {
      expect(one.cap_drop, name).toEqual(["ALL"]);
      expect(one.security_opt, name).toEqual(["no-new-privileges:true"]);
      expect(one.read_only === true, name).toBe(name.includes("-node"));
    }
  });

  it("has Prometheus look at every coordinator and every node", () => {
    const { scrape_configs: jobs } = parse(read("examples", "federation", "prometheus.yml"));
    const targets = jobs.flatMap((job: { static_configs: { targets: string[] }[] }) =>
      job.static_configs.flatMap((one) => one.targets),
    );
    const named = [...services].filter(([, one]) => one.hostname !== undefined);
    expect(targets.sort()).toEqual(named.map(([name]) => `${name}:9090`).sort());
  });
});

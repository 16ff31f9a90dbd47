/** `mesh compose generate`: `deploy/mesh-3` is what it prints, and it goes on to N nodes. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { composeFile } from "../compose/compose-file.js";
import { planCompose } from "../compose/compose-plan.js";
import { runCommand } from "../testing/command-run.js";
import { composeGenerateCommand } from "./compose-generate.js";

const shipped = fileURLToPath(new URL("../../../../deploy/mesh-3/", import.meta.url));
const read = (folder: string, name: string) => readFileSync(join(folder, name), "utf8");
const plan = (nodes: number, project = "x0tta6bl4", clone = "../..") =>
  planCompose({ nodes, project, clone });

let home = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "hearthmesh-compose-"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));
const generate = (...args: string[]) => runCommand(home, composeGenerateCommand, args);

describe("mesh compose generate", () => {
  it("prints deploy/mesh-3 for three nodes, which are the default", async () => {
    expect(await generate("--nodes", "3")).toBe(read(shipped, "docker-compose.yml"));
    expect(await generate()).toBe(await generate("--nodes", "3"));
  });

  it("writes the same files, and says it as JSON", async () => {
    await generate("--nodes", "3", "--out", "mesh");
    const written = readdirSync(join(home, "mesh"));
    expect(written.sort()).toEqual(["docker-compose.yml", "prometheus.yml"]);
    for (const name of written) {
      expect(read(join(home, "mesh"), name)).toBe(read(shipped, name));
    }
    const { nodes, files } = JSON.parse(await generate("--json"));
    expect(nodes).toHaveLength(3);
    expect(files["prometheus.yml"]).toBe(read(shipped, "prometheus.yml"));
  });

  it("changes Prometheus with the nodes, so that Compose starts it anew", async () => {
    expect(await generate("--nodes", "3")).toContain('org.hearthmesh.nodes: "3"');
    expect(await generate("--nodes", "5")).toContain('org.hearthmesh.nodes: "5"');
  });

  it("overwrites nothing that somebody changed, unless told", async () => {
    await generate("--out", ".");
    await generate("--out", ".");
    writeFileSync(join(home, "prometheus.yml"), "# mine\n");
    await expect(generate("--nodes", "4", "--out", ".")).rejects.toMatchObject({
      code: "MESH_PATH_EXISTS",
    });
    expect(read(home, "docker-compose.yml")).toBe(read(shipped, "docker-compose.yml"));
    await generate("--nodes", "4", "--out", ".", "--force");
    expect(read(home, "prometheus.yml")).toContain("x0tta6bl4-node-d:9090");
  });

  it("refuses what no file can be made of", async () => {
    for (const nodes of ["66", "0", "-3", "2.5", "1e9", "1e1", "0x5", " 3", "abc", ""]) {
      await expect(generate("--nodes", nodes)).rejects.toMatchObject({ code: "MESH_BAD_REQUEST" });
    }
    for (const project of ["", "A", "a b", "a:b", "-a", "1e3", "null", "a".repeat(33)]) {
      expect(() => plan(3, project)).toThrow(/--project/);
    }
    for (const clone of ["", "a b", "..\n- x", "$HOME", '"', "-", "clone"]) {
      expect(() => plan(3, "mesh", clone)).toThrow(/--clone/);
    }
  });
});

describe("a planned mesh", () => {
  it("has the guide's names and ports", () => {
    const { network, members } = plan(3);
    expect(network).toBe("x0tta6bl4_mesh");
    expect(
      members.map(({ name, container, httpPort, metricsPort }) => [
        ...[name, container, httpPort, metricsPort],
      ]),
    ).toEqual([
      ["node-a", "x0tta6bl4-node-a", 8000, 9090],
      ["node-b", "x0tta6bl4-node-b", 8001, 9091],
      ["node-c", "x0tta6bl4-node-c", 8002, 9092],
    ]);
  });

  it("has no name, port or volume twice, however many there are", () => {
    for (const nodes of [1, 2, 3, 5, 27, 50, 65]) {
      const text = composeFile(plan(nodes));
      const published = [...text.matchAll(/127\.0\.0\.1\}:(\d+):/g)].map(([, port]) => port);
      expect(published).toHaveLength(2 * nodes + 2);
      expect(new Set(published).size).toBe(published.length);
      const containers = [...text.matchAll(/container_name: (.+)/g)].map(([, name]) => name);
      expect(new Set(containers).size).toBe(nodes + 2);
      for (const node of plan(nodes).members) {
        expect(node.overlayPeers).toHaveLength(nodes - 1);
        expect(node.overlayPeers.join()).not.toContain(`${node.container}:`);
        expect(text).toContain(`\n  ${node.name}-data:\n    name: x0tta6bl4_${node.name}-data\n`);
      }
      // Compose 1, which Debian 12 has as docker-compose, refuses a `name` of the project.
      expect(text).not.toMatch(/^name:/m);
    }
  });

  it("opens nothing that has no keys with the ports of the nodes", () => {
    const text = composeFile(plan(3));
    expect(text.match(/\$\{PUBLISH_ADDRESS:-127\.0\.0\.1\}:\d+:(8000|9090)"/g)).toHaveLength(6);
    expect(text.match(/\$\{WATCH_ADDRESS:-127\.0\.0\.1\}:(3000:3000|9093:9090)"/g)).toHaveLength(2);
  });

  it("mounts files that a clone has", () => {
    const mounted = [...composeFile(plan(3)).matchAll(/- ((?:\.\.?\/)[^:]+):/g)];
    expect(mounted.length).toBeGreaterThan(3);
    for (const [, path = ""] of mounted)
      expect([path, existsSync(join(shipped, path))]).toEqual([path, true]);
  });
});

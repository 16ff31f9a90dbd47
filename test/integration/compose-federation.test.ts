/**
 * `examples/federation/` in containers, used by the commands of our page. It needs root on Linux,
 * the programs podman and podman-compose 1.0.6 or later, the image node:20-slim (it is not pulled),
 * and the registries of npm and Debian while it builds; a `hearthmesh` image that is named in
 * HEARTHMESH_TEST_IMAGE saves the build. Prometheus is left out.
 */
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { podmanEnvironment, whyNoContainers } from "../support/podman.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));
const BUILD_MS = 600_000;
/** Of the range for documentation (RFC 5737): an address that no other machine has. */
const ADDRESS = "198.51.100.211";
const MEMBERS = ["alice", "bob", "carol"];
const prebuilt = process.env.HEARTHMESH_TEST_IMAGE;

function whyNot(): string | undefined {
  const missing = whyNoContainers({ needsRegistry: prebuilt === undefined });
  if (missing !== undefined) return missing;
  const { stdout } = spawnSync("podman-compose", ["--version"], { encoding: "utf8" });
  // Earlier ones know no static addresses and do not scale.
  return /version:?\s+1\.0\.[0-5]\b/.test(stdout) ? "needs podman-compose 1.0.6" : undefined;
}

const missing = whyNot();
const title = "three homelabs in containers";

describe.skipIf(missing !== undefined)(
  missing === undefined ? title : `${title} (${missing})`,
  () => {
    const id = `hearthmesh-test-${process.pid}`;
    let folder = "";
    let env: NodeJS.ProcessEnv = {};
    const podman = async (...args: string[]) => (await run("podman", args, { env })).stdout;
    const compose = (...args: string[]) =>
      run("podman-compose", ["-p", id, ...args], { cwd: folder, env, maxBuffer: 2 ** 24 });
    const container = (name: string) => `${id}-${name}`;
    const services = MEMBERS.flatMap((member) =>
      ["coordinator", "node-01", "node-02", "node-03"].map((part) => `${member}-${part}`),
    );

    /** In a shell on this machine, where the commands are those of the clone. */
    const shell = async (command: string) => {
      const own = command
        .replaceAll(/(docker exec|docker cp \S+) (\w+-coordinator)/g, `$1 ${container("$2")}`)
        .replaceAll("docker ", "podman ")
        .replaceAll("./bin/collective", join(root, "bin", "collective"));
      const options = { cwd: folder, env: { ...env, HOME: folder } };
      const { stdout, stderr } = await run("sh", ["-euc", own], options);
      return stdout + stderr;
    };
    const asOperator = (member: string) =>
      `--ca ${member}-ca.crt --cert ${member}-coordinator.crt --key ${member}-coordinator.key`;
    const inviteOf = async (member: string, grant: string) => {
      const generate = `./bin/collective invite generate --grant ${grant} --quiet`;
      return (await shell(`${generate} ${asOperator(member)}`)).trim();
    };

    async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
      for (let tries = 0; tries < 120; tries++) {
        if (await holds().catch(() => false)) return;
        await sleep(500);
      }
      throw new Error(`it does not happen that ${what}`);
    }

    const nodesOnline = (member: string, port: number, count: number) =>
      until(async () => {
        const answer = await fetch(`http://${ADDRESS}:${port}/metrics`);
        const line = `collective_nodes_online{member="${member}"} ${count}`;
        return (await answer.text()).includes(line);
      }, `${member} has ${count} nodes`);

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "hearthmesh-federation-"));
      const addresses = [8001, 8002, 8003].map((port) => `${ADDRESS}:${port}`);
      env = {
        ...podmanEnvironment(folder),
        PUBLISH_ADDRESS: ADDRESS,
        MESH_COORDINATOR: addresses.join(","),
        NO_COLOR: "1",
      };
      await run("ip", ["address", "replace", `${ADDRESS}/32`, "dev", "lo"]);
      const text = readFileSync(join(root, "examples/federation/docker-compose.yml"), "utf8")
        .replaceAll("context: ../..", `context: ${root}`)
        .replaceAll("image: hearthmesh", `image: ${prebuilt ?? id}`)
        .replaceAll("container_name: ", `container_name: ${id}-`);
      writeFileSync(join(folder, "docker-compose.yml"), text);
      if (prebuilt === undefined) {
        const build = "--podman-build-args=--layers=false --pull=never";
        await compose(build, "build", "alice-coordinator");
      }
      await compose("up", "-d", "--no-build", ...services);
      for (const [index, member] of MEMBERS.entries()) await nodesOnline(member, 9091 + index, 3);
    }, BUILD_MS);

    afterAll(async () => {
      if (folder === "") return;
      await compose("down", "--volumes").catch(() => undefined);
      const left = (await podman("ps", "-aq", "--filter", `name=${id}`)).split("\n");
      // Those that were scaled up are not known to `down`; all at once, for what depends on what.
      await podman("rm", "-fv", "--depend", ...left.filter(Boolean)).catch(() => undefined);
      await podman("network", "rm", "-f", `${id}_federation`).catch(() => undefined);
      const volumes = (await podman("volume", "ls", "-q", "--filter", `name=${id}`)).split("\n");
      for (const one of volumes.filter(Boolean)) await podman("volume", "rm", "-f", one);
      if (prebuilt === undefined) await podman("rmi", id).catch(() => undefined);
      await run("ip", ["address", "del", `${ADDRESS}/32`, "dev", "lo"]).catch(() => undefined);
      rmSync(folder, { recursive: true, force: true });
    });

    it("have the addresses of the page, and are healthy by their own check", async () => {
      const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
      const addressOf = async (name: string) =>
        (await podman("inspect", "-f", format, container(name))).trim();
      expect(await addressOf("alice-coordinator")).toBe("172.20.0.10");
      expect(await addressOf("bob-node-02")).toBe("172.20.0.22");
      expect(await addressOf("carol-node-03")).toBe("172.20.0.33");
      for (const name of ["alice-coordinator", "carol-node-01"]) {
        const check = () => podman("healthcheck", "run", container(name)).then(() => true);
        await until(check, `${name} is healthy`);
      }
    });

    it("keep the keys of a member where its coordinator alone finds them", async () => {
      const inside = (name: string, script: string) =>
        podman("exec", container(name), "sh", "-c", script);
      const list = "stat -c '%a %U' /collective/certs/ca/*.key /collective/join/storage-nodes";
      expect(new Set((await inside("alice-coordinator", list)).trim().split("\n"))).toEqual(
        new Set(["600 node"]),
      );
      const node = await inside("alice-node-01", "find / -name '*-ca.key' 2>/dev/null || true");
      expect(node).toBe("");
    });

    it("are joined and used by a guest from outside, each member by its own code", async () => {
      for (const member of ["alice", "bob"]) {
        const certs = "/collective/certs";
        const from = `docker exec ${member}-coordinator cat ${certs}`;
        await shell(`${from}/ca/${member}-ca.crt > ${member}-ca.crt`);
        for (const end of ["crt", "key"]) {
          const file = `${member}-coordinator.${end}`;
          await shell(`${from}/coordinators/${file} > ${file}`);
        }
      }
      await shell("./bin/collective identity init --global-id yourname@homelab.collective.local");
      await shell(
        `./bin/collective invite redeem ${await inviteOf("alice", "/shared:read+write")}`,
      );
      await shell("./bin/collective mkdir /shared");
      await shell("head -c 3000000 /dev/urandom > film");
      await shell("cat film | ./bin/collective write /shared/film");
      await shell("./bin/collective read /shared/film | cmp - film");
      const code = await inviteOf("bob", "/garage:read+write");
      expect(code).toContain(`@${ADDRESS}:9002`);
      await shell(`./bin/collective invite redeem ${code}`);
      const collectives = await shell("./bin/collective identity list-collectives");
      expect(collectives).toMatch(/home\.alice\s+198\.51\.100\.211:8001/);
      expect(collectives).toMatch(/garage\.bob\s+198\.51\.100\.211:8002/);
      await shell("./bin/collective identity switch alice-homelab");
    });

    it("grow by --scale, under names that differ", async () => {
      await compose("up", "-d", "--no-build", "--scale", "alice-node=2", "alice-node");
      await nodesOnline("alice", 9091, 5);
    });

    it("go back to a backup that was made while they ran", async () => {
      await shell("docker exec alice-coordinator tar -czf - /data > alice-backup.tar.gz");
      await shell("echo later | ./bin/collective write /shared/later");
      await shell("docker cp alice-backup.tar.gz alice-coordinator:/tmp/");
      await shell("docker exec alice-coordinator tar -xzf /tmp/alice-backup.tar.gz -C /");
      await podman("restart", "-t", "30", container("alice-coordinator"));
      await nodesOnline("alice", 9091, 5);
      expect(await shell("./bin/collective ls /shared")).toBe("film\n");
      await shell("./bin/collective read /shared/film | cmp - film");
    });
  },
);

/**
 * `deploy/mesh-3` in containers, by the commands of the deployment guide: three nodes out of
 * nothing, one stopped and one killed, one cut off the network, all of them back. It needs root on
 * Linux, the programs podman and podman-compose, the image node:20-slim (it is not pulled), and the
 * npm and Debian registries while it builds; a `hearthmesh` image that is named in
 * HEARTHMESH_TEST_IMAGE saves the build. Prometheus is the image that the compose file names where
 * it is, else one with Debian's program and the same entry point; Grafana is left out.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { alertRules } from "../../scripts/alerts-page.mjs";
import { podmanEnvironment, prometheusImage, whyNoContainers } from "../support/podman.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));
const BUILD_MS = 900_000;
const STEP_MS = 180_000;
/** Of this machine's own range, where nothing else listens. */
const ADDRESS = "127.0.0.77";
const NODES = ["node-a", "node-b", "node-c"];
const GROWN = [...NODES, "node-d", "node-e"];
const portOf = (name: string) => 8000 + GROWN.indexOf(name);
const UPSTREAM = "docker.io/prom/prometheus:v3.5.0";
const prebuilt = process.env.HEARTHMESH_TEST_IMAGE;

interface Sample {
  metric: { instance: string };
  value: [number, string];
}

interface Peer {
  name: string;
  state: string;
  link: string;
}

const missing = whyNoContainers({ needsRegistry: prebuilt === undefined });
const title = "the three nodes of the deployment guide in containers";

describe.skipIf(missing !== undefined)(
  missing === undefined ? title : `${title} (${missing})`,
  () => {
    const id = `hearthmesh-test-${process.pid}`;
    let folder = "";
    let env: NodeJS.ProcessEnv = {};
    /** The image of Prometheus, where one is to be had. */
    let watcher: string | undefined;
    const podman = async (...args: string[]) => {
      const { stdout, stderr } = await run("podman", args, { env, maxBuffer: 2 ** 24 });
      return args[0] === "logs" ? stdout + stderr : stdout;
    };
    const compose = (...args: string[]) =>
      run("podman-compose", ["-p", id, ...args], { cwd: folder, env, maxBuffer: 2 ** 24 });
    const container = (name: string) => `${id}-${name}`;
    const ask = (name: string, path: string) =>
      fetch(`http://${ADDRESS}:${portOf(name)}${path}`, { signal: AbortSignal.timeout(5_000) });
    const peersOf = async (name: string): Promise<Peer[]> => {
      const answer = await ask(name, "/mesh/peers");
      expect(answer.status).toBe(200);
      return ((await answer.json()) as { peers: Peer[] }).peers;
    };
    const aliveAt = async (name: string) =>
      (await peersOf(name))
        .filter(({ state }) => state === "alive")
        .map((peer) => peer.name)
        .sort();

    async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
      for (let tries = 0; tries < 240; tries++) {
        if (await holds().catch(() => false)) return;
        await sleep(250);
      }
      const logs = await Promise.all(NODES.map((name) => podman("logs", container(name))));
      const ends = logs.map((log) => log.slice(-3000));
      throw new Error(`it does not happen that ${what}:\n${ends.join("\n\n")}`);
    }

    const sees = (name: string, others: readonly string[]) =>
      until(
        async () => (await aliveAt(name)).join() === others.join(),
        `${name} sees ${others.join(" and ") || "nobody"}`,
      );
    const allSeeAll = async (names = NODES) => {
      for (const name of names) {
        await sees(
          name,
          names.filter((other) => other !== name),
        );
      }
    };
    const logged = (name: string, text: RegExp) =>
      until(async () => text.test(await podman("logs", container(name))), `${name} logs ${text}`);

    /** The files of so many nodes, under names of this test, with images that are here. */
    async function generate(nodes: number): Promise<void> {
      const args = ["compose", "generate", "--nodes", `${nodes}`, "--out", folder, "--force"];
      await run(join(root, "bin/mesh"), args, { env: { ...env, MESH_HOME: join(folder, "home") } });
      for (const name of ["docker-compose.yml", "prometheus.yml"]) {
        const path = join(folder, name);
        const text = readFileSync(path, "utf8")
          .replaceAll("../..", root)
          .replace("image: hearthmesh", `image: ${prebuilt ?? id}`)
          .replace(`image: ${UPSTREAM}`, `image: ${watcher ?? UPSTREAM}`)
          .replaceAll("x0tta6bl4", id);
        writeFileSync(path, text);
      }
    }

    const watchers = () => (watcher === undefined ? [] : ["prometheus"]);
    const watch = async <Data>(path: string): Promise<Data> => {
      const answer = await fetch(`http://${ADDRESS}:9093/api/v1/${path}`);
      return ((await answer.json()) as { data: Data }).data;
    };
    const samples = async (query: string) => {
      const asked = `query?query=${encodeURIComponent(query)}`;
      return (await watch<{ result: Sample[] }>(asked)).result;
    };
    const areUp = (names: readonly string[]) =>
      until(async () => {
        const up = (await samples("up == 1")).map(({ metric }) => metric.instance);
        return up.sort().join() === names.join();
      }, `Prometheus sees ${names.join()}`);

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "hearthmesh-mesh-"));
      env = {
        ...podmanEnvironment(folder),
        PUBLISH_ADDRESS: ADDRESS,
        WATCH_ADDRESS: ADDRESS,
        NO_COLOR: "1",
      };
      watcher = prometheusImage(UPSTREAM, { own: `${id}-prometheus`, folder, env });
      await generate(3);
      if (prebuilt === undefined) {
        await compose("--podman-build-args=--layers=false --pull=never", "build", "node-a");
      }
      await compose("up", "-d", "--no-build", ...NODES, ...watchers());
    }, BUILD_MS);

    afterAll(async () => {
      if (folder === "") return;
      await compose("down", "--volumes").catch(() => undefined);
      for (const name of [...GROWN, "prometheus"]) {
        await podman("rm", "--force", "--volumes", container(name)).catch(() => undefined);
      }
      const volumes = (await podman("volume", "ls", "-q", "--filter", `name=${id}`)).split("\n");
      for (const one of volumes.filter(Boolean)) await podman("volume", "rm", "-f", one);
      await podman("network", "rm", "-f", `${id}_mesh`).catch(() => undefined);
      if (prebuilt === undefined) await podman("rmi", id).catch(() => undefined);
      await podman("rmi", `${id}-prometheus`).catch(() => undefined);
      rmSync(folder, { recursive: true, force: true });
    }, STEP_MS);

    it(
      "form a mesh by themselves: each reports two active peers",
      async () => {
        await allSeeAll();
        for (const name of NODES) {
          // What was tried before the others came may be shown for half a minute.
          await until(async () => {
            const health = await ask(name, "/health");
            expect(health.status).toBe(200);
            return ((await health.json()) as { status: string }).status === "ok";
          }, `${name} is well`);
          const status = (await (await ask(name, "/mesh/status")).json()) as object;
          expect(status).toMatchObject({ active_peers: 2, node: { name, memberId: "mesh" } });
          const { routes } = (await (await ask(name, "/mesh/routes")).json()) as {
            routes: unknown[];
          };
          expect(routes).toHaveLength(2);
        }
      },
      STEP_MS,
    );

    it("show the machine around them the mesh and nothing else without a key", async () => {
      for (const name of NODES) {
        for (const path of ["/api/keys", "/api/status", "/", "/api/mesh/nodes"]) {
          expect([401, 403], path).toContain((await ask(name, path)).status);
        }
      }
      // A container of the mesh is no viewer: it comes from an address of its own.
      const script = `fetch("http://${container("node-a")}:8000/mesh/peers").then(
        (answer) => console.log(answer.status))`;
      expect(await podman("exec", container("node-b"), "node", "-e", script)).toBe("401\n");
    });

    it("run without rights, and only the coordinator can write the invite", async () => {
      const inside = (name: string, script: string) =>
        podman("exec", container(name), "sh", "-c", script);
      for (const name of NODES) {
        const [uid, caps] = (await inside(name, "id -u; grep CapEff /proc/1/status")).split("\n");
        expect([uid, caps]).toEqual(["1000", expect.stringMatching(/^CapEff:\s+0+$/)]);
        expect(await inside(name, "touch /app/x 2>/dev/null || echo refused")).toBe("refused\n");
        await until(
          () => podman("healthcheck", "run", container(name)).then(() => true),
          `${name} is healthy by its own check`,
        );
      }
      const write = "echo x > /collective/join/nodes 2>/dev/null || echo refused";
      expect(await inside("node-b", write)).toBe("refused\n");
      expect(await inside("node-b", "find / -name '*-ca.key' 2>/dev/null || true")).toBe("");
      for (const name of NODES) {
        const code = (await inside("node-a", "cat /collective/join/nodes")).trim();
        expect(await podman("logs", container(name))).not.toContain(code);
      }
    });

    it(
      "answer the guide's commands about Yggdrasil",
      async () => {
        for (const name of NODES) {
          const get = () => podman("exec", container(name), "sudo", "yggdrasilctl", "getSelf");
          await until(async () => /IPv6 address:\s+2/.test(await get()), `${name} has an address`);
          const status = async () =>
            (await (await ask(name, "/mesh/status")).json()) as { overlay: { connected: number } };
          await until(async () => (await status()).overlay.connected === 2, `${name} has peers`);
        }
        const file = await podman(
          ...["exec", container("node-a"), "cat", "/etc/yggdrasil/yggdrasil.conf"],
        );
        expect(file).toMatch(new RegExp(`"Peers": \\[\\s+"tcp://${container("node-b")}:9010"`));
      },
      STEP_MS,
    );

    it(
      "notice that node-b was stopped, and take it back",
      async () => {
        await compose("stop", "node-b");
        await sees("node-a", ["node-c"]);
        for (const name of ["node-a", "node-c"]) {
          await logged(name, /"nodeName":"node-b","msg":"a node is left"/);
        }
        // A note, for whoever looks into the history afterwards.
        await logged(
          "node-a",
          /"reason":"blocked: Nothing to mend.*"msg":"node-b has left in order"/,
        );
        await compose("start", "node-b");
        await allSeeAll();
      },
      STEP_MS,
    );

    it(
      "open an incident for a node that was killed, and close it when it is back",
      async () => {
        await podman("kill", "--signal", "KILL", container("node-b"));
        await sees("node-a", ["node-c"]);
        for (const name of ["node-a", "node-c"]) {
          await logged(name, /"nodeName":"node-\w","reason":"detected: node-b does not answer"/);
        }
        await podman("start", container("node-b"));
        await allSeeAll();
        await logged("node-a", /"reason":"closed: .*","msg":"node-b does not answer"/);
        const history = await podman(
          ...["exec", container("node-a"), "mesh", "heal", "history", "--json"],
        );
        expect(history).toContain("node-b does not answer");
      },
      STEP_MS,
    );

    it(
      "live on without node-c when it is off the network, and are whole again afterwards",
      async () => {
        await podman("network", "disconnect", `${id}_mesh`, container("node-c"));
        await sees("node-a", ["node-b"]);
        const destinations = async () => {
          const answer = await ask("node-a", "/mesh/routes");
          const { routes } = (await answer.json()) as { routes: { name: string }[] };
          return routes.map(({ name }) => name).join();
        };
        await until(async () => (await destinations()) === "node-b", "node-c has no route");
        const cutOff = "(the mesh has lost half of its nodes at once|node-a does not answer)";
        await logged("node-c", new RegExp(`"nodeName":"node-c","reason":"detected: ${cutOff}`));
        await podman("network", "connect", `${id}_mesh`, container("node-c"));
        await allSeeAll();
        await logged("node-c", new RegExp(`"reason":"closed: .*","msg":"${cutOff}`));
      },
      STEP_MS,
    );

    it(
      "are watched by the Prometheus of the compose file, which keeps what it saw",
      async (context) => {
        if (watcher === undefined) return context.skip("needs Debian's registry, or the image");
        await areUp(NODES);
        const { activeTargets: targets } = await watch<{ activeTargets: { health: string }[] }>(
          "targets",
        );
        expect(targets.map(({ health }) => health)).toEqual(["up", "up", "up"]);
        await until(async () => {
          const [peers] = await samples('sum(mesh_peers{state="alive"})');
          return peers?.value[1] === "6";
        }, "it counts six peers");
        await until(async () => {
          const { groups } = await watch<{
            groups: { rules: { name: string; health: string }[] }[];
          }>("rules");
          const rules = groups.flatMap((group) => group.rules);
          const names = rules.filter(({ health }) => health === "ok").map(({ name }) => name);
          return (
            names.join() ===
            alertRules()
              .map(({ alert }) => alert)
              .join()
          );
        }, "it evaluates all of our rules");
        // As the user of its image, without a capability, it can write its volume and nothing else.
        const script =
          "id -u; test -w /prometheus/wal && ! test -w /etc/prometheus/rules.yml && echo";
        const inside = await podman("exec", container("prometheus"), "sh", "-c", script);
        expect(inside).toBe("65534\n\n");
        const [first] = await samples('timestamp(up{instance="node-a"})');
        await compose("stop", "prometheus");
        await podman("rm", container("prometheus"));
        await compose("up", "-d", "--no-build", "prometheus");
        const sinceThen = `min_over_time(timestamp(up{instance="node-a"})[1h:5s])`;
        await until(async () => (await samples(sinceThen)).length > 0, "it answers again");
        const [oldest] = await samples(sinceThen);
        expect(Number(oldest?.value[1])).toBeLessThanOrEqual(Number(first?.value[1]));
      },
      STEP_MS,
    );

    it(
      "grow to five while they are in use, and keep their files",
      async () => {
        const mesh = (...args: string[]) => podman("exec", container("node-a"), "mesh", ...args);
        await mesh("mkdir", "/shared", "--parents");
        const write = "head -c 3000000 /dev/urandom | tee /tmp/film | mesh write /shared/film";
        await podman("exec", container("node-a"), "sh", "-euc", `${write}; sync`);
        const hash = (source: string) =>
          podman("exec", container("node-a"), "sh", "-c", `${source} | sha256sum`);
        const written = await hash("cat /tmp/film");
        // As podman-compose needs it; Docker makes new containers of what has changed by itself.
        await compose("down");
        await generate(5);
        await compose("up", "-d", "--no-build", ...GROWN, ...watchers());
        await allSeeAll(GROWN);
        for (const name of GROWN) {
          const status = await (await ask(name, "/mesh/status")).json();
          expect(status).toMatchObject({ active_peers: 4 });
        }
        expect(await hash("mesh read /shared/film")).toBe(written);
        if (watcher !== undefined) await areUp(GROWN);
      },
      STEP_MS,
    );
  },
);

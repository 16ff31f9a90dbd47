/**
 * `examples/federation-node/`: its words against the product, and two routers in containers that
 * are introduced to each other by the commands of our page, with a third as a spoke of the first.
 * The containers need root on Linux, the programs of the packages iproute2, curl, podman and
 * podman-compose, the image node:20-slim (it is not pulled), and the registries of npm and Debian
 * while they build.
 */
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { configurationPage } from "@hearthmesh/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commandReference, describeCommands } from "../../packages/cli/src/index.js";
import { readPage } from "../support/code-blocks.js";
import { podmanEnvironment, whyNoContainers } from "../support/podman.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));
const example = join(root, "examples", "federation-node");
const read = (name: string) => readFileSync(join(example, name), "utf8");
const composeFile = read("docker-compose.yml");
const exampleEnv = read(".env.example");
const dockerfile = readFileSync(join(root, "deploy", "Dockerfile"), "utf8");

const PODMAN = "podman";
const BUILD_MS = 600_000;
/** Of the range for documentation (RFC 5737): addresses that no other machine has. */
const ADDRESSES = { alice: "198.51.100.201", bob: "198.51.100.202", spoke: "198.51.100.203" };

describe("the files of examples/federation-node", () => {
  const rows = configurationPage()
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.split("|").map((cell) => cell.trim()));
  const variables = new Set(
    rows.flatMap(([, , , names = ""]) => [...names.matchAll(/`(\w+)`/g)].map(([, name]) => name)),
  );
  const defaultOf = (key: string) =>
    rows.find(([, name]) => name === `\`${key}\``)?.[4]?.replaceAll("`", "");
  const published = [...composeFile.matchAll(/^ {6}- "\$\{PUBLISH_ADDRESS:-0\.0\.0\.0\}:(.+?)"/gm)];

  it("open the ports of the product, under the same numbers on both sides", () => {
    const keys = ["http.port", "api.port", "links.port", "enrolment.port"];
    const wanted = [
      ...keys.map((key) => `${defaultOf(key)}:${defaultOf(key)}`),
      `${defaultOf("membership.port")}:${defaultOf("membership.port")}/udp`,
    ];
    expect(published.map(([, ports]) => ports)).toEqual(wanted);
    const exposed = /^EXPOSE (.+)$/m.exec(dockerfile)?.[1]?.split(" ");
    expect(exposed).toEqual([
      ...wanted.map((pair) => pair.slice(pair.indexOf(":") + 1)),
      `${defaultOf("beacon.port")}/udp`,
    ]);
  });

  it("name variables that the product, or the compose file, knows", () => {
    const named = [...exampleEnv.matchAll(/^(\w+)=/gm)].map(([, name]) => name);
    const known = named.filter((name) => variables.has(name));
    expect(known).toEqual([
      "MESH_ENABLED",
      "MESH_MEMBER",
      "MESH_NODE_NAME",
      "MESH_ADVERTISE",
      "MESH_HUB",
      "MESH_TOKEN",
    ]);
    const substituted = [...composeFile.matchAll(/\$\{(\w+)/g)].map(([, name]) => name);
    expect(named.filter((name) => !variables.has(name))).toEqual([...new Set(substituted)]);
    const mentioned = [...read("README.md").matchAll(/`(MESH_[A-Z_]+)`/g)].map(([, name]) => name);
    const errors = readFileSync(join(root, "docs", "errors.md"), "utf8");
    const unknown = mentioned.filter(
      (name) => !variables.has(name) && !errors.includes(`\`${name}\``),
    );
    expect(unknown).toEqual([]);
  });

  it("show commands that exist", () => {
    const reference = commandReference(describeCommands());
    const shown = [...read("README.md").matchAll(/exec router mesh ([a-z]+(?: [a-z]+)?)/g)];
    expect(shown.length).toBeGreaterThan(1);
    for (const [, words = ""] of [...shown, ["", "up"]]) {
      expect(reference).toMatch(new RegExp(`^#+ \`?mesh ${words}\`?$`, "m"));
    }
  });

  it("give no secret to the image, to other users or to command lines", () => {
    expect(dockerfile).not.toMatch(/TOKEN|SECRET|_KEY|^ARG/m);
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].map(([, from]) => from);
    expect(copied).toEqual([
      "package.json package-lock.json .npmrc tsconfig.base.json",
      "scripts/bundle.mjs scripts/lib.mjs",
      "models/demo",
      "packages",
    ]);
    expect(dockerfile).toMatch(/^USER node$/m);
    expect(composeFile).not.toMatch(/^\s*(environment|command|args):/m);
  });
});

const missing = whyNoContainers();
const title = "routers in containers";

describe.skipIf(missing !== undefined)(
  missing === undefined ? title : `${title} (${missing})`,
  () => {
    const id = `hearthmesh-test-${process.pid}`;
    let folder = "";
    let env: NodeJS.ProcessEnv = {};
    const routers: Router[] = [];
    const podman = async (...args: string[]) => (await run(PODMAN, args, { env })).stdout;

    /** A clone's example folder on a machine of its own, as far as its address goes. */
    class Router {
      readonly folder: string;

      constructor(
        readonly name: keyof typeof ADDRESSES,
        values: Readonly<Record<string, string>> = {},
      ) {
        this.folder = join(folder, name);
        mkdirSync(this.folder);
        const renamed = composeFile.replace("image: hearthmesh", `image: ${id}`);
        writeFileSync(join(this.folder, "docker-compose.yml"), renamed.replace("../..", root));
        copyFileSync(join(example, ".env.example"), join(this.folder, ".env"));
        const own = { MESH_NODE_NAME: name, MESH_ADVERTISE: this.address, ...values };
        this.set({ PUBLISH_ADDRESS: this.address, MESH_MEMBER: `${name}-home`, ...own });
        routers.push(this);
      }

      get address(): string {
        return ADDRESSES[this.name];
      }

      get container(): string {
        return `${id}-${this.name}_router_1`;
      }

      /** Edits `.env` as a person would. */
      set(values: Readonly<Record<string, string>>): void {
        const path = join(this.folder, ".env");
        let text = readFileSync(path, "utf8");
        for (const [name, value] of Object.entries(values)) {
          expect(text).toMatch(new RegExp(`^${name}=`, "m"));
          text = text.replace(new RegExp(`^${name}=.*$`, "m"), `${name}=${value}`);
        }
        writeFileSync(path, text, { mode: 0o600 });
      }

      /** What it printed, on both streams: also the command lines that it ran. */
      async compose(...args: string[]): Promise<string> {
        const all = ["-p", `${id}-${this.name}`, ...args];
        const { stdout, stderr } = await run("podman-compose", all, {
          cwd: this.folder,
          env,
          maxBuffer: 2 ** 24,
        });
        return stdout + stderr;
      }

      /** A command in the container, whose answer is one JSON object. */
      async json(...args: string[]) {
        const text = await this.compose("exec", "-T", "router", "mesh", ...args, "--json");
        return JSON.parse(text.slice(text.search(/^\{/m), text.lastIndexOf("}") + 1));
      }

      async live(): Promise<void> {
        const isLive = () =>
          fetch(`http://${this.address}:3000/health/live`, {
            signal: AbortSignal.timeout(2000),
          }).then(
            (answer) => answer.ok,
            () => false,
          );
        await until(isLive, `${this.name} answers /health/live`);
      }

      /** By the image's own check, inside of the container. */
      async healthy(): Promise<void> {
        const check = () =>
          podman("healthcheck", "run", this.container).then(
            () => true,
            () => false,
          );
        await until(check, `${this.name} is healthy`);
      }

      async remove(): Promise<void> {
        await this.compose("down", "--volumes").catch(() => undefined);
        await podman("rm", "--force", "--volumes", this.container).catch(() => undefined);
        await podman("volume", "rm", `${id}-${this.name}_data`).catch(() => undefined);
        await podman("network", "rm", `${id}-${this.name}_default`).catch(() => undefined);
      }
    }

    async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
      for (let tries = 0; tries < 120; tries++) {
        if (await holds()) return;
        await sleep(500);
      }
      const logs = await Promise.all(routers.map((one) => one.compose("logs", "router")));
      throw new Error(`it does not happen that ${what}:\n${logs.join("\n").slice(-8000)}`);
    }

    let alice: Router;
    let bob: Router;

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "hearthmesh-compose-"));
      env = podmanEnvironment(folder);
      for (const address of Object.values(ADDRESSES)) {
        await run("ip", ["address", "replace", `${address}/32`, "dev", "lo"]);
      }
      alice = new Router("alice");
      bob = new Router("bob");
      // One layer each, and none of the layers between is left over.
      await alice.compose("--podman-build-args=--layers=false --pull=never", "build");
      for (const router of [alice, bob]) await router.compose("up", "-d", "--no-build");
      for (const router of [alice, bob]) await router.live();
    }, BUILD_MS);

    afterAll(async () => {
      for (const router of routers) await router.remove();
      await podman("rmi", id).catch(() => undefined);
      for (const address of Object.values(ADDRESSES)) {
        await run("ip", ["address", "del", `${address}/32`, "dev", "lo"]).catch(() => undefined);
      }
      if (folder !== "") rmSync(folder, { recursive: true, force: true });
    });

    it("show in their logs what the node does", async () => {
      for (const router of [alice, bob]) {
        const log = await router.compose("logs", "router");
        expect(log).toContain(`node ${router.name} of ${router.name}-home (coordinator`);
        // Later versions of podman-compose put the service's name in front, and colours around it.
        const lines = log.split("\n").flatMap((line) => line.match(/\{.*\}/)?.[0] ?? []);
        const messages = lines.map((line) => JSON.parse(line).msg as string);
        expect(messages).toEqual(expect.arrayContaining(["links are open", "the node is up"]));
      }
    });

    it("are healthy by their own check, without rights and without a writable system", async () => {
      await alice.healthy();
      const inside = (script: string) => podman("exec", alice.container, "sh", "-c", script);
      expect(await inside("id -u; grep CapEff /proc/1/status")).toMatch(/^1000\nCapEff:\s+0+\n$/);
      expect(await inside("touch /app/x 2>/dev/null || echo refused")).toBe("refused\n");
      expect(await inside("stat -c '%a %U' /data /data/certs/ca/*.key")).toMatch(
        /^700 node\n(600 node\n)+$/,
      );
    });

    it("are made of an image that holds what it runs, and nothing else", async () => {
      const inside = (script: string) => podman("exec", alice.container, "sh", "-c", script);
      expect(await inside("find /app -name '.env*' -o -name '*.map' -o -name tsc")).toBe("");
      const top = (await inside("ls /app")).trim().split("\n");
      expect(top.filter((name) => !/\.(mjs|gguf|txt)$/.test(name))).toEqual([
        "node_modules",
        "parts",
      ]);
      // The licences of the libraries in a part lie beside it.
      const others = "find /app/parts -type f ! -name '*.mjs' ! -name '*.mjs.LEGAL.txt'";
      expect(await inside(others)).toBe("");
      const history = await podman("history", "--no-trunc", "--format", "{{.CreatedBy}}", id);
      expect(history).not.toMatch(/token|secret/i);
    });

    it("are introduced to each other by the commands of our page", async () => {
      const keys: string[] = [];
      for (const router of [alice, bob]) {
        const made = await router.json("key", "create", "--scope", "admin", "--expires", "1d");
        keys.push(made.key);
      }
      const [aliceKey = "", bobKey = ""] = keys;
      const page = readFileSync(join(root, "docs", "mesh", "federation.md"), "utf8");
      const commands = readPage(page)
        .flatMap(({ blocks }) => blocks.map(({ text }) => text))
        .filter((text) => text.startsWith("curl "));
      expect(commands).toHaveLength(3);
      const answers: string[] = [];
      for (const command of commands) {
        const filled = command
          .replaceAll("remote_api_key", bobKey)
          .replaceAll("your_api_key", aliceKey)
          .replaceAll("192.168.1.100", bob.address)
          .replaceAll("your-ip", alice.address)
          .replaceAll("localhost", alice.address);
        answers.push((await run("sh", ["-c", filled])).stdout);
      }
      const [registered, back, list] = answers.map((text) => JSON.parse(text));
      expect(registered).toMatchObject({ node: { name: "homelab-node" } });
      expect(back).toMatchObject({ node: { name: "your-node", capabilities: ["ai", "storage"] } });
      const introduced = (list.nodes as { name: string; trust: string }[]).map(
        ({ name, trust }) => `${name} ${trust}`,
      );
      expect(introduced.sort()).toEqual(["alice self", "homelab-node introduced"]);
      const isOnline = async () => {
        const { nodes } = await bob.json("node", "introduced");
        return (nodes as { name: string; state: string }[]).some(
          ({ name, state }) => name === "your-node" && state === "online",
        );
      };
      await until(isOnline, "the links of two containers meet");
      const withoutKey = await fetch(`http://${alice.address}:3000/api/mesh/nodes`);
      expect(withoutKey.status).toBe(401);
    });

    it("take a spoke in by MESH_HUB and MESH_TOKEN, which no command line shows", async () => {
      const { code } = await alice.json("invite", "generate", "--node");
      const MESH_HUB = `https://${alice.address}:9001`;
      const spoke = new Router("spoke", { MESH_HUB, MESH_TOKEN: code });
      const printed = await spoke.compose("up", "-d", "--no-build");
      // Later versions of podman-compose hand each line of an `env_file` over as `-e NAME=value`:
      // the example's README tells that, and what to do there. They print no commands either.
      if (/version:?\s+1\.0\./.test(await spoke.compose("--version"))) {
        expect(printed).toContain("podman run");
      }
      expect(printed).not.toContain(code);
      await spoke.healthy();
      const isThere = async () => {
        const { peers } = await alice.json("peers");
        const found = (peers as { name: string; state: string; link: string }[]).find(
          ({ name }) => name === "spoke",
        );
        return found?.state === "alive" && found.link === "direct";
      };
      await until(isThere, "the hub has a link to its spoke");
      expect(await podman("exec", spoke.container, "cat", "/proc/1/cmdline")).not.toContain(code);
      expect(await spoke.compose("logs", "router")).not.toContain(code);
      spoke.set({ MESH_TOKEN: "" });
      await spoke.compose("down");
      await spoke.compose("up", "-d", "--no-build");
      await spoke.healthy();
      await until(isThere, "the spoke is back without its token");
    });

    it("end in order when they are stopped, and come back after a crash", async () => {
      await bob.compose("stop", "-t", "30");
      expect(await bob.compose("logs", "router")).toContain('"reason":"SIGTERM","msg":"stopping"');
      await podman("start", bob.container);
      await bob.live();
      await podman("kill", "--signal", "KILL", bob.container);
      await podman("start", bob.container);
      await bob.live();
    });
  },
);

/**
 * The federation guide, pasted line by line against two fresh nodes: two machines on one LAN, each
 * the first node of its own member, both on port 3000. The commands are those of our own page, and
 * of the guide itself where it is there.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readPage } from "../support/code-blocks.js";
import { MeshLab, whyNoLab } from "../support/mesh-lab.mjs";
import type { LabMachine } from "../support/mesh-lab-machine.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const own = `${root}docs/mesh/federation.md`;
const original = `${root}../shared/guides/1-federation-guide.md`;
const hasCurl = spawnSync("curl", ["--version"]).status === 0;
const missing = whyNoLab() ?? (hasCurl ? undefined : "needs the program curl");

interface KnownNode {
  name: string;
  nodeId: string;
  capabilities: string[];
  trust: string;
  state: string;
  fingerprint?: string;
}

/** Commands of a page, in their order, as somebody would paste them. */
function commandsOf(path: string): string[] {
  return readPage(readFileSync(path, "utf8")).flatMap(({ blocks }) =>
    blocks
      .filter(({ language }) => language === "sh" || language === "bash")
      .flatMap(({ text }) => text.split(/\n\n|\n(?=#|curl)/))
      .map((text) => text.replace(/^#.*\n/gm, ""))
      .filter((text) => /^(curl|\.\/)/.test(text)),
  );
}

const pages = [{ page: "our page", path: own }].concat(
  existsSync(original) ? [{ page: "the guide", path: original }] : [],
);

describe.skipIf(missing !== undefined).each(pages)(
  missing === undefined ? "the commands of $page" : `the commands of $page (${missing})`,
  ({ path }) => {
    let lab: MeshLab;
    let local: LabMachine;
    let remote: LabMachine;
    const keys = { your_api_key: "", remote_api_key: "" };

    beforeAll(async () => {
      lab = await MeshLab.create();
      const lan = await lab.network.addLan();
      lan.prefix = "192.168.1";
      lan.gateway = "192.168.1.1";
      local = await lab.machine("local", lan);
      remote = await lab.machine("remote", lan);
      await local.port.setAddress("192.168.1.10");
      await remote.port.setAddress("192.168.1.100");
      for (const machine of [local, remote]) machine.writeEnv({ MESH_ENABLED: "true" });
      await Promise.all([lab.found(local), lab.found(remote, { member: "bob" })]);
      keys.your_api_key = await newKey(local);
      keys.remote_api_key = await newKey(remote);
    });
    afterAll(() => lab?.close());

    const newKey = async (machine: LabMachine, scope = "admin") => {
      const flags = ["--scope", scope, "--expires", "1d", "--json"];
      return JSON.parse(await machine.cli(["key", "create", ...flags])).key as string;
    };
    /** In a shell on the local machine, in the repository's folder. */
    const paste = (command: string) => {
      const filled = command
        .replaceAll("remote_api_key", keys.remote_api_key)
        .replaceAll("your_api_key", keys.your_api_key)
        .replaceAll("your-ip", local.address);
      return local.namespace.run(["sh", "-c", `cd '${root}' && ${filled}`]);
    };
    const knownTo = async (machine: LabMachine): Promise<KnownNode[]> =>
      (await machine.json("/api/mesh/nodes")).nodes;

    it("work as they are shown", async () => {
      const commands = commandsOf(path);
      expect(commands.map((one) => one.split(/\s/, 1)[0])).toEqual([
        "./mesh-connect.sh",
        "curl",
        "curl",
        "curl",
      ]);
      const [connect = "", register = "", registerBack = "", list = ""] = commands;
      const connected = await paste(connect);
      const [node] = (await knownTo(local)).filter(({ trust }) => trust === "introduced");
      expect(node).toMatchObject({ name: "homelab-node", capabilities: ["storage", "compute"] });
      expect(connected).toContain(node?.fingerprint);
      expect(JSON.parse(await paste(register))).toMatchObject({ node: { name: "homelab-node" } });
      const back = JSON.parse(await paste(registerBack));
      expect(back).toMatchObject({ node: { name: "your-node", capabilities: ["ai", "storage"] } });
      const { nodes } = JSON.parse(await paste(list)) as { nodes: KnownNode[] };
      expect(nodes.map(({ name, trust }) => [name, trust])).toEqual(
        expect.arrayContaining([
          ["homelab-node", "introduced"],
          ["local", "self"],
        ]),
      );
      const seen = (await knownTo(remote)).find(({ trust }) => trust === "introduced");
      expect(seen).toMatchObject({ name: "your-node", state: "online" });
    });

    it("let both sides use each other's services", async () => {
      for (const [server, client] of [
        [remote, local],
        [local, remote],
      ] as const) {
        server.helper("mesh-lab-echo.mjs", ["8085", server.name]);
        const add = ["service", "add", `echo-${server.name}`, "--port", "8085"];
        await server.cli([...add, "--capability", "echo"]);
        const route = `/api/mesh/route/echo-${server.name}/hello`;
        await lab.until(
          async () => (await client.get(route)).status === 200,
          `${client.name} reaches the service of ${server.name}`,
        );
        const answer = await client.get(route);
        expect(answer.body.toString()).toBe(`${server.name}: GET /hello`);
      }
    });

    it("are refused with a wrong key, and with one of another scope", async () => {
      const url = "http://192.168.1.100:3000/api/mesh/nodes";
      const ask = (key: string) => paste(`curl -s -H "X-API-Key: ${key}" ${url}`);
      expect(JSON.parse(await ask("hmk1-none"))).toMatchObject({ code: "MESH_KEY_INVALID" });
      const register = await newKey(remote, "register");
      expect(JSON.parse(await ask(register))).toMatchObject({ code: "MESH_KEY_SCOPE" });
      expect(JSON.parse(await paste(`curl -s ${url}`))).toMatchObject({
        code: "MESH_UNAUTHENTICATED",
      });
    });

    it("leave traces in the audit trail, and are undone by one command", async () => {
      const { records } = JSON.parse(await local.cli(["audit", "--json"]));
      const actions = (records as { action: string }[]).map(({ action }) => action);
      expect(actions).toContain("node.introduce");
      expect(await local.cli(["audit", "--verify"])).toMatch(/each follows from the one before/);
      await local.cli(["node", "remove", "homelab-node"]);
      expect((await knownTo(local)).map(({ trust }) => trust)).not.toContain("introduced");
      const route = "/api/mesh/route/echo-local/hello";
      await lab.until(async () => (await remote.get(route)).status >= 400, "the end of its links");
    });
  },
);

/** The real daemon without an interface, which any user may run; skipped where it is not there. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { OverlayConfig } from "../config/config.js";
import { processesOf } from "../processes/orphans.js";
import {
  complaintOf,
  dialFailureOf,
  endHint,
  findYggdrasil,
  requireTun,
} from "./find-yggdrasil.js";
import { YggdrasilOverlay } from "./yggdrasil-overlay.js";

const program = await findYggdrasil(process.env.PATH).catch(() => undefined);
const tools = { clock: systemClock(), random: systemRandom(), log: silentLogger };
const CONFIG: OverlayConfig = {
  type: "yggdrasil",
  peers: [],
  listen: [],
  allowedKeys: [],
  interfaceName: "none",
  multicast: false,
  configFile: undefined,
  adminSocket: undefined,
};

describe("what yggdrasil needs", () => {
  it("is a program and a device, and is missed by name", async () => {
    await expect(findYggdrasil("/nowhere", [])).rejects.toMatchObject({
      code: "MESH_OVERLAY_MISSING",
      message: "yggdrasil is not installed on this machine",
    });
    const missing = requireTun("auto", "/nowhere/tun");
    if (process.platform === "linux") {
      await expect(missing).rejects.toMatchObject({
        code: "MESH_OVERLAY_FAILED",
        message: expect.stringContaining("/nowhere/tun"),
        hint: expect.stringContaining("modprobe tun"),
      });
    }
    await requireTun("none", "/nowhere/tun");
  });

  it("is told from its own words", () => {
    expect(complaintOf("panic: permission denied")).toBe("panic: permission denied");
    expect(endHint("status 2: panic: permission denied")).toContain("cap_net_admin");
    expect(endHint("SIGKILL")).toBe("");
    const peer = "2026/11/21 22:11:25 Failed to add peer: unknown call scheme: quic";
    expect(complaintOf(peer)).toBe("Failed to add peer: unknown call scheme: quic");
    const dial = "2026/11/21 22:11:27 Failed to dial TCP 127.0.0.1:1: connection refused";
    expect(dialFailureOf(dial)).toBe("Failed to dial TCP 127.0.0.1:1: connection refused");
    expect(complaintOf(dial)).toBeUndefined();
    const secret = "Failed to add peer: socks://user:w@rd@p:1/b:2?password=x no";
    expect(complaintOf(secret)).toBe("Failed to add peer: socks://p:1/b:2 no");
    expect(complaintOf("2026/11/21 22:11:27 Stopping...")).toBeUndefined();
  });
});

describe.skipIf(program === undefined)(
  program === undefined ? "yggdrasil (needs the program yggdrasil)" : "yggdrasil",
  () => {
    let folder: string;
    let opened: YggdrasilOverlay[];
    const files = (name: string) => ({
      key: join(folder, name, "secrets", "yggdrasil.key"),
      config: join(folder, name, "run", "yggdrasil.conf"),
      adminSocket: join(folder, name, "run", "yggdrasil.sock"),
      log: join(folder, name, "logs", "yggdrasil.log"),
    });
    const open = (name: string, config: Partial<OverlayConfig> = {}) => {
      const overlay = new YggdrasilOverlay({
        config: { ...CONFIG, ...config },
        files: files(name),
        searchPath: process.env.PATH,
        ...tools,
      });
      opened.push(overlay);
      return overlay;
    };
    const until = async (isSo: () => boolean) => {
      while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    const isUp = (overlay: YggdrasilOverlay) => () => overlay.status().phase === "up";
    const pidsOf = (name: string) =>
      processesOf({ program: "yggdrasil", word: files(name).config });
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), "yggdrasil-"));
      opened = [];
    });
    afterEach(async () => {
      for (const overlay of opened) await overlay.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    it("has the address that its configuration says, and knows its peers", async () => {
      const port = await freePort();
      const left = open("left", { listen: [`tcp://127.0.0.1:${port}`] });
      const right = open("right", { peers: [`tcp://127.0.0.1:${port}`] });
      await left.start();
      await right.start();
      let told = 0;
      right.watch(() => told++);
      await until(() => right.peers().length === 1 && left.peers().length === 1);
      expect(right.peers()).toMatchObject([{ up: true, key: left.status().key }]);
      expect(told).toBeGreaterThan(0);
      const { config } = files("left");
      expect(statSync(config).mode & 0o777).toBe(0o600);
      const says = execFileSync(program as string, ["-address", "-useconffile", config]);
      expect(left.contains(says.toString().trim())).toBe(true);
      expect(left.peers()[0]?.address).not.toBe(says.toString().trim());
      expect(right.peers()[0]?.address).toBe(says.toString().trim());
      // Without an interface nobody can dial it there.
      expect(left.addresses()).toEqual([]);
    });

    it("runs again after it was killed, and after a restart", async () => {
      const overlay = open("one");
      expect(overlay.process.state()).toBe("stopped");
      await overlay.start();
      expect(overlay.process.state()).toBe("starting");
      await until(isUp(overlay));
      expect(overlay.process.state()).toBe("running");
      const [first = 0] = await pidsOf("one");
      process.kill(first, "SIGKILL");
      await until(() => overlay.status().phase === "down");
      expect(overlay.status().reason).toContain("SIGKILL");
      await until(isUp(overlay));
      expect(overlay.process.describe()).toContain("ended once since the start, last by SIGKILL");
      const [second = 0] = await pidsOf("one");
      await overlay.process.restart();
      await until(isUp(overlay));
      expect(await pidsOf("one")).not.toContain(second);
      expect(overlay.status().restarts).toBe(1);
      await overlay.stop();
      expect(await pidsOf("one")).toEqual([]);
      expect(overlay.status().phase).toBe("stopped");
      await overlay.process.restart();
      expect(await pidsOf("one")).toEqual([]);
    });

    it("of an earlier node is ended, and its key is kept", async () => {
      const before = open("one");
      await before.start();
      const { key } = before.status();
      await before.stop();
      const args = ["-useconffile", files("one").config];
      const orphan = spawn(program as string, args, { stdio: "ignore" });
      const ended = new Promise((resolve) => orphan.once("close", resolve));
      await until(() => existsSync(files("one").adminSocket));
      const after = open("one");
      await after.start();
      await ended;
      await until(isUp(after));
      expect(after.status().key).toBe(key);
      const now = await pidsOf("one");
      expect(now).toHaveLength(1);
      expect(now).not.toContain(orphan.pid);
    });

    it("goes without an interface where there is none, unless one is named", async () => {
      const make = (interfaceName: string) =>
        new YggdrasilOverlay({
          config: { ...CONFIG, interfaceName },
          files: files("one"),
          searchPath: process.env.PATH,
          tunDevice: join(folder, "tun"),
          ...tools,
        });
      const overlay = make("auto");
      opened.push(overlay);
      await overlay.start();
      await until(isUp(overlay));
      expect(overlay.addresses()).toEqual([]);
      expect(overlay.status().reason).toContain("without an interface");
      await overlay.stop();
      await expect(make("ygg0").start()).rejects.toMatchObject({ code: "MESH_OVERLAY_FAILED" });
    });

    it("does not touch a configuration that somebody else wrote", async () => {
      const { config } = files("one");
      const overlay = open("one");
      await overlay.start();
      await overlay.stop();
      writeFileSync(config, "{ Peers: [] }\n");
      await expect(open("one").start()).rejects.toMatchObject({
        code: "MESH_CONFIG_INVALID",
        message: expect.stringContaining("was not written by this program"),
      });
      expect(readFileSync(config, "utf8")).toBe("{ Peers: [] }\n");
    });
  },
);

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/**
 * The daemon as a service of systemd: what it says to a real listener in systemd's place, and what
 * systemd's own checker says of our unit.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  NotifyListener,
  whyNoNotifyListener,
} from "../../packages/node/src/service-manager/testing/notify-listener.js";
import { freePortBase } from "../../scripts/free-ports.mjs";
import { environment } from "../../scripts/mesh-processes.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const WAIT = { timeout: 60_000, interval: 50 };
const named = (title: string, missing: string | undefined) =>
  missing === undefined ? title : `${title} (${missing})`;

const noListener = whyNoNotifyListener();
describe.skipIf(noListener !== undefined)(named("a node that systemd started", noListener), () => {
  let folder = "";
  let listener: NotifyListener | undefined;
  let node: ChildProcess | undefined;
  let heard: readonly string[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "hearthmesh-service-"));
    const socket = join(folder, "notify");
    listener = await NotifyListener.open(socket);
    heard = listener.heard;
    const base = await freePortBase(1);
    const variables = { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "400000", NODE_ID: "attic" };
    const flags = ["--port-base", String(base), "--member", "alice", "--beacon", "no"];
    const cli = join(root, "packages/cli/bin/mesh.js");
    node = spawn(process.execPath, [cli, "up", ...flags], {
      env: environment(folder, variables),
      cwd: folder,
      stdio: "ignore",
    });
  }, 60_000);
  afterAll(() => {
    node?.kill("SIGKILL");
    listener?.close();
    if (folder !== "") rmSync(folder, { recursive: true, force: true });
  });

  it("says when it starts, when it is up, that it is alive, and when it stops", async () => {
    await expect.poll(() => heard, WAIT).toContain("READY=1 | STATUS=node attic of alice is up");
    expect(heard[0]).toBe("STATUS=starting");
    const before = heard.indexOf("READY=1 | STATUS=node attic of alice is up");
    expect(heard.slice(0, before)).not.toContain("WATCHDOG=1");
    await expect
      .poll(() => heard.filter((line) => line === "WATCHDOG=1").length, WAIT)
      .toBeGreaterThan(1);
    const ended = new Promise((resolve) => node?.once("exit", resolve));
    node?.kill("SIGTERM");
    expect(await ended).toBe(0);
    await expect.poll(() => heard.at(-1), WAIT).toBe("STOPPING=1 | STATUS=stopping");
  }, 120_000);
});

const noChecker =
  spawnSync("systemd-analyze", ["--version"]).status === 0
    ? undefined
    : "needs the program systemd-analyze";
describe.skipIf(noChecker !== undefined)(named("deploy/systemd", noChecker), () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "hearthmesh-unit-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const unit = readFileSync(join(root, "deploy/systemd/hearthmesh.service"), "utf8");

  function written(text: string): string {
    const path = join(folder, "hearthmesh.service");
    // The checker wants a program that is there.
    writeFileSync(path, text.replace("/usr/local/bin/mesh", process.execPath));
    return path;
  }
  function exposureOf(text: string): number {
    const args = ["security", "--offline=true", "--no-pager", written(text)];
    const report = execFileSync("systemd-analyze", args, { encoding: "utf8", stdio: "pipe" });
    return Number(/Overall exposure level for \S+: ([\d.]+)/.exec(report)?.[1]);
  }

  it("is a unit without a complaint, and one that says itself when it is up", () => {
    const args = ["verify", "--man=no", written(unit)];
    const { status, stderr } = spawnSync("systemd-analyze", args, { encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
    const notifies = ["Type=notify", "NotifyAccess=all", "User=hearthmesh"];
    // It ends its helpers itself; a setting that cannot be used (exit status 2) is not tried again.
    const ends = ["KillMode=mixed", "RestartPreventExitStatus=2", "LimitCORE=0"];
    for (const line of [...notifies, ...ends]) {
      expect(unit.split("\n")).toContain(line);
    }
  });

  it("takes away what a node does not use", () => {
    expect(exposureOf(unit)).toBeLessThan(2);
    const drop = readFileSync(join(root, "deploy/systemd/overlay.conf"), "utf8");
    expect(exposureOf(unit + drop)).toBeLessThan(3);
  });
});

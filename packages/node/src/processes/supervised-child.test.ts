import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { endOrphans, processesOf } from "./orphans.js";
import { restartDelayMs, SupervisedChild } from "./supervised-child.js";

const tools = { clock: systemClock(), random: systemRandom(), log: silentLogger };

describe("the pause before a child is started again", () => {
  it("doubles, with a shift, up to half a minute", () => {
    expect([1, 2, 3].map((crash) => restartDelayMs(crash, 1))).toEqual([250, 500, 1000]);
    expect(restartDelayMs(1, 0)).toBe(125);
    expect(restartDelayMs(1000, 1)).toBe(30_000);
  });
});

describe.skipIf(process.platform === "win32")("a supervised child", () => {
  let folder: string;
  let child: SupervisedChild;
  const open = (script: string) =>
    new SupervisedChild({
      name: "shell",
      path: "/bin/sh",
      args: () => ["-c", script, "child-of", folder],
      logPath: join(folder, "child.log"),
      complaintOf: (line) => (line.startsWith("bad: ") ? line : undefined),
      searchPath: process.env.PATH,
      ...tools,
    });
  const until = async (isSo: () => boolean) => {
    while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "supervised-child-"));
    child = open('rm -f "$1/pipe"; mkfifo "$1/pipe"; read line <> "$1/pipe"');
  });
  afterEach(async () => {
    await child.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("is started again after it was killed, and says how it ended", async () => {
    child.start();
    const { pid } = child;
    process.kill(pid as number, "SIGKILL");
    await until(() => child.pid !== undefined && child.pid !== pid);
    expect(child).toMatchObject({ crashes: 1, ends: 1, lastEnd: "SIGKILL", running: true });
  });

  it("leads a group of its own, which a Ctrl-C at the daemon does not reach", () => {
    child.start();
    const { pid = 0 } = child;
    expect(process.kill(-pid, 0)).toBe(true);
  });

  it("keeps its last complaints and a log", async () => {
    child = open("echo hello; echo 'bad: no disk' >&2; exit 3");
    child.start();
    await until(() => child.ends > 0);
    expect(child.lastEnd).toBe("status 3: bad: no disk");
    await child.stop();
    expect(readFileSync(join(folder, "child.log"), "utf8")).toContain("hello\n");
  });

  it("is another process at once after a restart, and none after a stop", async () => {
    child.start();
    const { pid } = child;
    await child.restart();
    expect(child.pid).not.toBe(pid);
    expect(child.crashes).toBe(0);
    const restarted = child.restart();
    await child.stop();
    await restarted;
    expect(child.running).toBe(false);
    await child.restart();
    expect(child.running).toBe(false);
  });

  it("that was left behind is ended by its command line, no other one", async () => {
    child.start();
    const kind = { program: "sh", word: folder };
    // The shell's own children have its command line until they run their program.
    await expect.poll(() => processesOf(kind), { timeout: 30_000 }).toEqual([child.pid]);
    const options = { ...kind, holds: folder, code: "MESH_INTERNAL", ...tools } as const;
    expect(await endOrphans({ ...options, word: `${folder}-2` })).toBe(0);
    expect(await endOrphans({ ...options, program: "bash" })).toBe(0);
    expect(child.ends).toBe(0);
    expect(await endOrphans(options)).toBe(1);
    await until(() => child.ends > 0);
  });
});

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { describeProcess, lockHome } from "./home-lock.js";

let home = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "hearthmesh-lock-"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe("the lock of a directory", () => {
  it("is free after a release", async () => {
    const first = await lockHome(home);
    await first.release();
    const second = await lockHome(home);
    await second.release();
  });

  it("is not given while its holder lives, and is given when it was killed", async () => {
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    const gone = new Promise((resolve) => child.once("exit", resolve));
    const pid = child.pid ?? 0;
    mkdirSync(join(home, "run"), { recursive: true });
    writeFileSync(join(home, "run", "lock"), JSON.stringify(describeProcess(pid)));
    await expect(lockHome(home)).rejects.toMatchObject({
      code: "MESH_HOME_IN_USE",
      details: { pid },
    });
    child.kill("SIGKILL");
    await gone;
    const lock = await lockHome(home);
    await lock.release();
  });

  it("is given when the lock file is torn", async () => {
    mkdirSync(join(home, "run"), { recursive: true });
    writeFileSync(join(home, "run", "lock"), "");
    await (await lockHome(home)).release();
  });
});

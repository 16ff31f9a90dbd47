/** `device2.sh` before it asks the admin: where it finds the pool, and what it takes by itself. */
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeEach, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "hearthmesh-device-"));
const clone = join(folder, "clone");
const data = join(folder, "home", ".meshnet");
const missing = process.platform === "win32" ? " (needs sh)" : "";

beforeEach(() => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(clone, { recursive: true });
  mkdirSync(data, { recursive: true });
  copyFileSync(join(root, "device2.sh"), join(clone, "device2.sh"));
  mkdirSync(join(clone, "scripts"));
  // What it runs is built already.
  writeFileSync(join(clone, "scripts", "build.mjs"), "");
  for (const name of ["scripts/device-lib.sh", "packages"]) {
    symlinkSync(join(root, name), join(clone, name));
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function device2(input: string) {
  const env = { HOME: join(folder, "home"), PATH: process.env.PATH };
  const command = join(clone, "device2.sh");
  const { status, stdout, stderr } = spawnSync(command, { env, input, encoding: "utf8" });
  return { status, text: `${stdout}${stderr}` };
}

describe.skipIf(missing !== "")(`device2.sh${missing}`, () => {
  it("takes the guide's names when nothing else is typed, and no pool that is none", () => {
    const { status, text } = device2("no-pool\nno-key\n\n\n");
    expect(text).toContain("Pool Name [test-pool]");
    expect(text).toContain("error: the text is not the id of a pool");
    expect(status).toBe(1);
    const prepared = JSON.parse(readFileSync(join(data, "init.json"), "utf8"));
    expect(prepared).toMatchObject({ networkId: "test-network", nodeName: "device2" });
  });

  it("finds the pool in ~/.meshnet as well, and says what the file lacks", () => {
    const info = join(data, ".pool-info");
    writeFileSync(info, "POOL_ID=something\n");
    const { status, text } = device2("");
    expect(text).toContain(`The pool of ${info}`);
    expect(text).toContain(`error: ${info} lacks POOL_ID or POOL_ROOT_PUBKEY`);
    expect(status).toBe(1);
    expect(existsSync(join(data, "init.json"))).toBe(false);
  });

  it("makes nothing when nobody answers its questions", () => {
    const { status, text } = device2("");
    expect(text).toContain("hint: Copy .pool-info here, or type what Device 1 shows.");
    expect(status).toBe(1);
    expect(existsSync(join(data, "init.json"))).toBe(false);
  });
});

/** `install.sh` in a home of its own: what it writes, and that a second run changes nothing. */
import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeEach, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "hearthmesh-install-"));
const missing = process.platform === "win32" ? " (needs sh)" : "";
const LINE = 'export PATH="$HOME/.local/bin:$PATH"';
let home = "";
let count = 0;

beforeEach(() => {
  // A home that no shell likes.
  home = join(folder, `it's home ${++count}`);
  mkdirSync(home);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(command: string, args: readonly string[], shell: string) {
  const { PATH } = process.env;
  const env = { HOME: home, PATH, SHELL: shell };
  const { status, stdout, stderr } = spawnSync(command, args, { env, encoding: "utf8", cwd: home });
  return { status, text: `${stdout}${stderr}` };
}
const install = (shell = "/bin/bash") => run(join(root, "install.sh"), [], shell);
const inHome = (...names: string[]) => join(home, ...names);
const linesOf = (name: string) => readFileSync(inHome(name), "utf8").split("\n");

describe.skipIf(missing !== "")(`install.sh${missing}`, () => {
  it("makes the three commands, and adds their folder to the PATH once", () => {
    writeFileSync(inHome(".bashrc"), "alias ll='ls -l'");
    expect(install()).toMatchObject({ status: 0, text: expect.stringContaining("source") });
    expect(readdirSync(inHome(".local", "bin")).sort()).toEqual([
      ...["mesh", "mesh-control-plane", "mesh-relay"],
    ]);
    expect(linesOf(".bashrc")[0]).toBe("alias ll='ls -l'");
    const shell = ["-c", ". ~/.bashrc && mesh version --json && mesh-relay --help"];
    const used = run("bash", shell, "/bin/bash");
    expect(used.text).toContain("Usage: mesh-relay");
    const before = statSync(inHome(".local", "bin", "mesh")).mtimeMs;
    const again = install();
    expect(again).toMatchObject({ status: 0, text: expect.stringContaining("there already") });
    expect(statSync(inHome(".local", "bin", "mesh")).mtimeMs).toBe(before);
    expect(linesOf(".bashrc").filter((line) => line === LINE)).toHaveLength(1);
  });

  it("writes to the file of the shell that is used", () => {
    expect(install("/usr/bin/zsh").status).toBe(0);
    expect(linesOf(".zshrc")).toContain(LINE);
    expect(readdirSync(home)).not.toContain(".bashrc");
  });

  it("touches nothing when one of the names is another program's", () => {
    mkdirSync(inHome(".local", "bin"), { recursive: true });
    writeFileSync(inHome(".local", "bin", "mesh-relay"), "#!/bin/sh\necho mine\n");
    expect(install()).toMatchObject({
      status: 1,
      text: expect.stringContaining("another program's"),
    });
    expect(readdirSync(inHome(".local", "bin"))).toEqual(["mesh-relay"]);
    expect(readdirSync(home)).not.toContain(".bashrc");
  });
});

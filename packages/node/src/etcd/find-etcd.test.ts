import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import {
  findEtcd,
  findRestoreTool,
  isNewEnough,
  parseEtcdFlags,
  parseEtcdVersion,
} from "./find-etcd.js";

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function folderWith(name: string, script: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "find-etcd-"));
  folders.push(folder);
  await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(folder, name), 0o700);
  return folder;
}

describe("the etcd of the system", () => {
  it("is read from its first lines", () => {
    const text = "etcd Version: 3.4.23\nGit SHA: Not provided\nGo Version: go1.19.8\n";
    const program = parseEtcdVersion("/usr/bin/etcd", text);
    expect(program).toMatchObject({ version: "3.4.23", major: 3, minor: 4 });
    expect(parseEtcdVersion("x", "etcd Version: 3.6.0-rc.1\n")?.version).toBe("3.6.0-rc.1");
    for (const wrong of ["", "3.4.23", "etcd version 3", "my etcd Version: 3.4.2"]) {
      expect(parseEtcdVersion("x", wrong)).toBeUndefined();
    }
  });

  it("tells which flags it knows, which change between versions", async () => {
    const help = "Usage:\n  --name 'default'\n    A name with --dashes.\n  --pre-vote 'false'\n";
    expect([...parseEtcdFlags(help)]).toEqual(["name", "pre-vote"]);
    const folder = await folderWith(
      "etcd",
      'test $1 = --version && echo "etcd Version: 3.5.9" && exit; echo "  --pre-vote" >&2; exit 2',
    );
    const found = await findEtcd({ searchPath: folder });
    expect([...found.flags]).toEqual(["pre-vote"]);
  });

  it("must have learners: 3.4 or newer", () => {
    expect(isNewEnough({ major: 3, minor: 3 })).toBe(false);
    expect(isNewEnough({ major: 2, minor: 9 })).toBe(false);
    expect(isNewEnough({ major: 3, minor: 4 })).toBe(true);
    expect(isNewEnough({ major: 4, minor: 0 })).toBe(true);
  });

  it("is the first in PATH", async () => {
    const first = await folderWith("etcd", "echo 'etcd Version: 3.5.9'");
    const second = await folderWith("etcd", "echo 'etcd Version: 3.4.1'");
    const found = await findEtcd({ searchPath: `relative:${first}:${second}` });
    expect(found).toMatchObject({ path: join(first, "etcd"), version: "3.5.9" });
  });

  it("is missing, too old or something else: it says so and names the package", async () => {
    const none = await mkdtemp(join(tmpdir(), "find-etcd-"));
    folders.push(none);
    const old = await folderWith("etcd", "echo 'etcd Version: 3.3.25'");
    const other = await folderWith("etcd", "echo hello; exit 3");
    for (const [folder, words] of [
      [none, "not installed"],
      [old, "3.3.25"],
      [other, "does not say"],
    ] as const) {
      await expect(findEtcd({ searchPath: folder })).rejects.toMatchObject({
        code: "MESH_ETCD_MISSING",
        message: expect.stringContaining(words),
        hint: expect.stringContaining("etcd-server"),
      });
    }
    await expect(findEtcd({ searchPath: undefined })).rejects.toMatchObject({
      code: "MESH_ETCD_MISSING",
    });
  });

  it("is restored by etcdutl, else etcdctl, else a message names the package", async () => {
    const folder = await folderWith("etcdctl", "true");
    expect(await findRestoreTool({ searchPath: folder })).toBe(join(folder, "etcdctl"));
    await expect(findRestoreTool({ searchPath: "" })).rejects.toMatchObject({
      code: "MESH_ETCD_MISSING",
      hint: expect.stringContaining("etcd-client"),
    });
  });
});

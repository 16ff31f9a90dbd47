import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hasEtcdData, readMembership, setDataAside, writeMembership } from "./etcd-data.js";
import { chooseEngine, presentEngine, recordEngine } from "./store-choice.js";
import { type StoreFiles, storeFiles } from "./store-files.js";

describe("the engine of a home", () => {
  let home: string;
  let files: StoreFiles;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), "store-choice-"));
    const config = { home, certificatesDirectory: join(home, "certs") };
    files = storeFiles(config, { memberId: "alice", name: "one" });
  });
  afterEach(() => rm(home, { recursive: true, force: true }));

  async function withEtcd(): Promise<void> {
    await mkdir(join(files.data, "member", "wal"), { recursive: true });
    await writeFile(join(files.data, "member", "wal", "0-0.wal"), "x");
  }
  async function withSqlite(): Promise<void> {
    await mkdir(join(home, "store"));
    await writeFile(join(home, "store", "store.db"), "x");
  }

  it("is what was asked for at the first start, else sqlite, and is kept", async () => {
    expect(await chooseEngine(files, undefined)).toBe("sqlite");
    expect(await chooseEngine(files, "etcd")).toBe("etcd");
    await recordEngine(files, "etcd");
    expect(await chooseEngine(files, undefined)).toBe("etcd");
    expect(await presentEngine(files)).toBe("etcd");
  });

  it("is not changed by a flag: the message names the command that does it", async () => {
    await withSqlite();
    await expect(chooseEngine(files, "etcd")).rejects.toMatchObject({
      code: "MESH_CONFIG_INVALID",
      hint: expect.stringContaining("mesh store migrate --from sqlite --to etcd"),
    });
    expect(await chooseEngine(files, undefined)).toBe("sqlite");
    await recordEngine(files, "etcd");
    await expect(chooseEngine(files, "sqlite")).rejects.toMatchObject({
      hint: expect.stringContaining("mesh store migrate --from etcd --to sqlite"),
    });
  });

  it("is seen from the data when the file is missing", async () => {
    expect(await presentEngine(files)).toBeUndefined();
    await mkdir(files.data);
    expect(await presentEngine(files)).toBeUndefined();
    await withEtcd();
    expect(await presentEngine(files)).toBe("etcd");
  });

  it("is refused when the file is damaged or newer", async () => {
    for (const text of ["", "{", "null", '{"v":1,"engine":"x"}', '{"engine":"etcd"}']) {
      await writeFile(files.choice, text);
      await expect(presentEngine(files)).rejects.toMatchObject({ code: "MESH_STORE_CORRUPT" });
    }
    await writeFile(files.choice, '{"v":2}');
    await expect(presentEngine(files)).rejects.toMatchObject({ code: "MESH_STORE_NEWER" });
  });

  it("keeps old data of etcd aside, the newest two of it", async () => {
    expect(await setDataAside(files, 0)).toBeUndefined();
    const places: (string | undefined)[] = [];
    for (let day = 1; day <= 3; day++) {
      await withEtcd();
      await writeMembership(files, {
        v: 1,
        own: { clusterId: "c", memberId: "m" },
        endpoints: ["u"],
      });
      expect(await readMembership(files)).toMatchObject({ own: { memberId: "m" } });
      places.push(await setDataAside(files, day * 86_400_000));
      expect(await hasEtcdData(files.data)).toBe(false);
      expect(await readMembership(files)).toEqual({ v: 1, endpoints: ["u"] });
    }
    const there = await Promise.all(places.map((place) => hasEtcdData(place ?? "")));
    expect(there).toEqual([false, true, true]);
  });

  it("does without a membership record that is damaged", async () => {
    for (const text of ["", "{", "null", '{"own":1}', '{"own":{"clusterId":1},"endpoints":[3]}']) {
      await writeFile(files.membership, text);
      expect((await readMembership(files)) ?? { v: 1, endpoints: [] }).toEqual({
        v: 1,
        endpoints: [],
      });
    }
  });
});

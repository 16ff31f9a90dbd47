import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RotatingLog } from "./rotating-log.js";

describe("a rotating log", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "rotating-log-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("keeps the newest lines in a bounded number of bounded files", () => {
    const path = join(folder, "logs", "etcd.log");
    const log = new RotatingLog({ path, bytesMax: 40, filesKept: 2 });
    for (let at = 0; at < 100; at++) log.write(Buffer.from(`line ${at}\n`.padEnd(10)));
    log.close();
    const names = readdirSync(join(folder, "logs")).sort();
    expect(names).toEqual(["etcd.log", "etcd.log.1", "etcd.log.2"]);
    for (const name of names) {
      expect(statSync(join(folder, "logs", name)).size).toBeLessThanOrEqual(40);
    }
    expect(readFileSync(path, "utf8")).toContain("line 99");
    expect(readFileSync(`${path}.1`, "utf8")).toContain("line 95");
    expect(statSync(path).mode & 0o077).toBe(0);
  });

  it("goes on with the file of an earlier start, and begins anew when that is full", () => {
    const path = join(folder, "etcd.log");
    writeFileSync(path, "before\n");
    const log = new RotatingLog({ path, bytesMax: 20, filesKept: 1 });
    log.write(Buffer.from("after\n"));
    log.close();
    expect(readFileSync(path, "utf8")).toBe("before\nafter\n");
    writeFileSync(path, "x".repeat(100));
    log.write(Buffer.from("new\n"));
    log.close();
    expect(readFileSync(path, "utf8")).toBe("new\n");
  });

  it("does not fail its caller when the disk does", () => {
    const blocked = join(folder, "file");
    writeFileSync(blocked, "");
    const log = new RotatingLog({ path: join(blocked, "etcd.log"), bytesMax: 20, filesKept: 1 });
    log.write(Buffer.from("lost\n"));
    expect(log.lost).toBe(1);
  });
});

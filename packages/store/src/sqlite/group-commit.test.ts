import { limits, MeshError } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import type { SqlDatabase, SqlStatement } from "./driver.js";
import { GroupCommit } from "./group-commit.js";
import { WriteBatch } from "./write-batch.js";

const EMPTY = {
  revision: 1,
  compactedRevision: 0,
  cleanedId: 0,
  historyBytes: 0,
  lastLeaseId: 0,
  openLeases: 0,
  keys: 0,
};

/** A database that only remembers what it was told, and fails when it is asked to. */
class ScriptedDatabase implements SqlDatabase {
  readonly said: string[] = [];
  failNext: { sql: string; error: Error } | undefined;
  inTransaction = false;

  exec(sql: string): void {
    this.said.push(sql);
    const failure = this.failNext;
    if (failure?.sql === sql) {
      this.failNext = undefined;
      throw failure.error;
    }
    this.inTransaction = sql.startsWith("BEGIN");
  }

  prepare(sql: string): SqlStatement {
    return { get: () => undefined, all: () => [], run: () => this.exec(sql) };
  }

  pragma(): undefined {
    return undefined;
  }

  close(): void {}
}

function setUp() {
  const database = new ScriptedDatabase();
  const committed: WriteBatch[] = [];
  const commits = new GroupCommit({
    database,
    newBatch: () => new WriteBatch(EMPTY),
    beforeCommit: () => database.said.push("tidy"),
    committed: (batch) => committed.push(batch),
  });
  return { database, committed, commits };
}

const write = (batch: WriteBatch) => ++batch.writes;

describe("GroupCommit", () => {
  it("commits what arrives together once, and answers afterwards", async () => {
    const { database, committed, commits } = setUp();
    const answers = await Promise.all([
      commits.submit(1, write),
      commits.submit(1, write),
      commits.submit(1, () => "read"),
    ]);
    expect(answers).toEqual([1, 2, "read"]);
    expect(database.said).toEqual(["BEGIN IMMEDIATE", "tidy", "COMMIT"]);
    expect(committed).toHaveLength(1);
  });

  it("lets a job that wrote nothing fail alone", async () => {
    const { committed, commits } = setUp();
    const refused = commits.submit(1, () => {
      throw new MeshError("MESH_BAD_REQUEST");
    });
    const fine = commits.submit(1, write);
    await expect(refused).rejects.toMatchObject({ code: "MESH_BAD_REQUEST" });
    await expect(fine).resolves.toBe(1);
    expect(committed).toHaveLength(1);
  });

  it("rolls everything back when a job fails after a write", async () => {
    const { database, committed, commits } = setUp();
    const others = [commits.submit(1, write), commits.submit(1, write)];
    const guilty = commits.submit(1, (batch) => {
      batch.writes++;
      throw new MeshError("MESH_DISK_FULL");
    });
    for (const job of [...others, guilty]) {
      await expect(job).rejects.toMatchObject({ code: "MESH_DISK_FULL" });
    }
    expect(database.said).toEqual(["BEGIN IMMEDIATE", "ROLLBACK"]);
    expect(committed).toHaveLength(0);
  });

  it("goes on after a full disk", async () => {
    const { database, commits } = setUp();
    database.failNext = { sql: "COMMIT", error: new MeshError("MESH_DISK_FULL") };
    await expect(commits.submit(1, write)).rejects.toMatchObject({ code: "MESH_DISK_FULL" });
    await expect(commits.submit(1, write)).resolves.toBe(1);
  });

  it("writes nothing more after the disk failed", async () => {
    const { database, committed, commits } = setUp();
    database.failNext = { sql: "COMMIT", error: new MeshError("MESH_DISK_FAILED") };
    await expect(commits.submit(1, write)).rejects.toMatchObject({ code: "MESH_DISK_FAILED" });
    await expect(commits.submit(1, write)).rejects.toMatchObject({ code: "MESH_DISK_FAILED" });
    expect(committed).toHaveLength(0);
  });

  it("refuses more than the queue holds, by number and by bytes", async () => {
    const { commits } = setUp();
    const half = limits.STORE_QUEUE_BYTES_MAX / 2;
    const large = [commits.submit(half, write), commits.submit(half, write)];
    await expect(commits.submit(1, write)).rejects.toMatchObject({ code: "MESH_STORE_BUSY" });
    await Promise.all(large);
    const many = Array.from({ length: limits.STORE_QUEUE_MAX }, () => commits.submit(1, write));
    await expect(commits.submit(1, write)).rejects.toMatchObject({ code: "MESH_STORE_BUSY" });
    await Promise.all(many);
    await expect(commits.submit(1, write)).resolves.toBe(1);
  });

  it("splits a long queue in several commits and drains it", async () => {
    const { committed, commits } = setUp();
    const count = limits.STORE_GROUP_COMMIT_MAX + 1;
    const jobs = Array.from({ length: count }, () => commits.submit(1, write));
    await commits.drained();
    expect(committed.map((batch) => batch.writes)).toEqual([count - 1, 1]);
    await Promise.all(jobs);
  });
});

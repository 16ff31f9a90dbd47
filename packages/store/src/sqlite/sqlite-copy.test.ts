import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import { expect, it } from "vitest";
import { put, remove } from "../operations.js";
import { openSqliteStore } from "./sqlite-store.js";

it("copies a store while it is written to: entries, history and leases, as they were", async () => {
  const root = mkdtempSync(join(tmpdir(), "sqlite-copy-"));
  const options = { clock: new ManualClock(), log: silentLogger };
  const store = await openSqliteStore({ directory: join(root, "one"), ...options });
  const value = (text: string) => Buffer.from(text);
  const textOf = (entry: { value: Uint8Array } | undefined) =>
    Buffer.from(entry?.value ?? []).toString();
  try {
    const lease = await store.grantLease(60_000);
    await store.transact({ success: [put("a", value("1")), put("l", value("x"), lease.id)] });
    const { revision } = await store.transact({ success: [put("a", value("2"))] });
    await store.transact({ success: [remove("b")] });
    mkdirSync(join(root, "two"));
    const later = store.transact({ success: [put("a", value("3"))] });
    await store.copyTo(join(root, "two", "store.db"));
    await later;
    await expect(store.copyTo(join(root, "two", "store.db"))).rejects.toThrow();
    expect(textOf(await store.get("a"))).toBe("3");
    const copy = await openSqliteStore({ directory: join(root, "two"), ...options });
    expect(textOf(await copy.get("a"))).toBe("2");
    expect(textOf(await copy.get("a", { revision: revision - 1 }))).toBe("1");
    expect((await copy.get("l"))?.leaseId).toBe(lease.id);
    expect((await copy.status()).revision).toBe(revision);
    await copy.close();
    await expect(store.close().then(() => store.copyTo("x"))).rejects.toMatchObject({
      code: "MESH_STORE_CLOSED",
    });
  } finally {
    await store.close();
    rmSync(root, { recursive: true, force: true });
  }
}, 60_000);

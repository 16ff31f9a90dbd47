import type { CoordinatorView, StorageReport } from "@hearthmesh/collective";
import { describe, expect, it } from "vitest";
import { StorageDisksMonitor } from "./storage-disks-monitor.js";

const GIB = 2 ** 30;

/** What the leading coordinator's healer says of one storage node with this report. */
async function said(report: Partial<StorageReport>) {
  const full = { capacityBytes: 10 * GIB, usedBytes: 0, freeBytes: 0, ...report };
  const storage = { ...full, chunkCount: 0, corruptChunks: 0 };
  const view = {
    nodes: [{ nodeId: "b", name: "b", state: "online", storage }],
    layout: { nodes: [{ nodeId: "b" }] },
  } as unknown as CoordinatorView;
  const monitor = new StorageDisksMonitor({ view: () => view } as never);
  const facts = await monitor.look();
  return facts.find(({ symptom }) => symptom === "disk-full");
}

describe("the store of a node", () => {
  it("is as full as it is", async () => {
    const fact = await said({ usedBytes: 9.9 * GIB, freeBytes: 0.1 * GIB });
    expect(fact).toMatchObject({
      verdict: "ill",
      evidence: "99 % of the store of b is used: 9.9 GiB, 102 MiB are free (mark: 98 %)",
    });
    expect(await said({ freeBytes: 10 * GIB })).toMatchObject({ verdict: "well" });
  });

  it("that is empty and takes nothing says what is in the way", async () => {
    expect(await said({})).toMatchObject({
      verdict: "ill",
      evidence: "the store of b is empty and takes nothing: other files fill its disk",
    });
    expect(await said({ readOnly: "EIO: i/o error, statfs" })).toMatchObject({
      verdict: "ill",
      evidence: "the store of b is empty and takes nothing: EIO: i/o error, statfs",
    });
  });

  it("that has no share has nothing to fill", async () => {
    expect(await said({ capacityBytes: 0 })).toMatchObject({ verdict: "well" });
  });
});

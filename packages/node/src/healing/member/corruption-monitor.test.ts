/** What counts against a node that keeps chunks, and when its quarantine ends. */
import type { CoordinatorView, LayoutNode, NodeInfo, StorageReport } from "@hearthmesh/collective";
import { describe, expect, it } from "vitest";
import { corruptionFacts } from "./corruption-monitor.js";
import { layoutFacts } from "./layout-monitor.js";

const REPORT = { usedBytes: 0, freeBytes: 1, chunkCount: 9, corruptChunks: 0, capacityBytes: 1 };
const CLEAN = { passes: 4, verified: 9, damaged: 0 };

function view(
  told: Partial<StorageReport>,
  info: Partial<NodeInfo> = {},
  placed: Partial<LayoutNode> = {},
): CoordinatorView {
  const ids = { nodeId: "b", name: "b" };
  const node = { ...ids, state: "online", storage: { ...REPORT, ...told }, ...info };
  const layout = { version: 7, nodes: [{ ...ids, capacityBytes: 1, ...placed }] };
  return { nodes: [node], layout, status: { workers: [] } } as unknown as CoordinatorView;
}

const corrupts = (...given: Parameters<typeof view>) => corruptionFacts(view(...given))[0];
const share = (...given: Parameters<typeof view>) => layoutFacts(view(...given))[1];

describe("damage of a node", () => {
  it("is what it tells or what was read there, whichever is more", () => {
    expect(corrupts({ corruptLastDay: 3 })?.verdict).toBe("ill");
    expect(corrupts({ corruptLastDay: 2 })?.verdict).toBe("well");
    const seen = { damageSeen: { chunks: 3, wrong: 2 } };
    const found = corrupts({ corruptLastDay: 0 }, seen);
    expect(found).toMatchObject({ verdict: "ill", values: { told: 0, seen: 3, wrong: 2 } });
    expect(found?.evidence).toContain(
      "this coordinator read 3 damaged chunks there, 2 of them given as whole, " +
        "and its own scrub told of 0",
    );
    // Two of each are not four: they may be the same.
    const two = { damageSeen: { chunks: 2, wrong: 2 } };
    expect(corrupts({ corruptLastDay: 2 }, two)?.verdict).toBe("well");
  });

  it("that was read there counts for a node that is away or silent", () => {
    const seen = { damageSeen: { chunks: 3, wrong: 3 } };
    expect(corrupts({}, seen)?.verdict).toBe("ill");
    expect(corrupts({ corruptLastDay: 0 }, { ...seen, state: "offline" })?.verdict).toBe("ill");
    expect(corrupts({})?.verdict).toBe("unknown");
    expect(corrupts({ corruptLastDay: 0 }, { state: "offline" })?.verdict).toBe("unknown");
  });

  it("that a person knew of counts no more", () => {
    const known = (forgiven: number) => ({ damageSeen: { chunks: 0, wrong: 0, forgiven } });
    expect(corrupts({ corruptLastDay: 5 }, known(5))?.verdict).toBe("well");
    expect(corrupts({ corruptLastDay: 8 }, known(5))?.verdict).toBe("ill");
  });
});

describe("a quarantine", () => {
  const placed = (quarantined: Partial<LayoutNode["quarantined"]>) =>
    ({ capacityBytes: 0, quarantined: { atMs: 0, passes: 3, ...quarantined } }) as LayoutNode;

  it("ends by a clean scrub and a day without damage, by whoever found it", () => {
    const told = { corruptLastDay: 0, scrub: CLEAN };
    expect(share(told, {}, placed({}))?.verdict).toBe("ill");
    const seen = { damageSeen: { chunks: 1, wrong: 0 } };
    expect(share(told, seen, placed({}))?.verdict).toBe("well");
    expect(share({ ...told, corruptLastDay: 1 }, {}, placed({}))?.verdict).toBe("well");
  });

  it("of a node that gave wrong bytes for good ones is ended by a person alone", () => {
    const told = { corruptLastDay: 0, scrub: CLEAN };
    const fact = share(told, {}, placed({ isUntrusted: true }));
    expect(fact).toMatchObject({ verdict: "well" });
    expect(fact?.evidence).toMatch(/its own scrub proves nothing: a person decides/);
  });
});

/** What peers may keep here: counted by the owners' trust domains, held before it is written. */
import { randomBytes } from "node:crypto";
import { type FileId, limits, type NodeId, systemClock, type TrustDomain } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import { memoryStore } from "@hearthmesh/store";
import { beforeEach, describe, expect, it } from "vitest";
import { SharedGate } from "./gates.js";
import { QuotaLedger, type QuotaOffer } from "./quota-ledger.js";
import { domainOfOwner, Usage } from "./usage.js";

const MIB = 1 << 20;
const offers = new Map<string, QuotaOffer>();
let usage: Usage;
let quotas: QuotaLedger;

const bob = principal("foreign", "garage.bob");
const own = principal("person", "home.alice");

function principal(kind: Principal["kind"], domain: string): Principal {
  return {
    kind,
    spiffeId: `spiffe://${domain}/person/p@${domain}`,
    trustDomain: domain as TrustDomain,
    name: "p",
    nodeId: "n" as NodeId,
    serial: "1",
    notAfterMs: 1,
  };
}

function newFileId(): FileId {
  return randomBytes(16).toString("hex") as FileId;
}

function offer(bytes: number, more: Partial<QuotaOffer> = {}): void {
  const trustDomain = "garage.bob" as TrustDomain;
  offers.set(trustDomain, { trustDomain, bytes, offeredAtMs: 0, ...more });
}

beforeEach(async () => {
  offers.clear();
  usage = new Usage(memoryStore({ clock: systemClock() }), new SharedGate());
  quotas = new QuotaLedger(usage, {
    ownDomain: "home.alice" as TrustDomain,
    operator: () => principal("coordinator", "home.alice"),
    get: (domain) => offers.get(domain),
    list: () => [...offers.values()],
  });
});

describe("a quota", () => {
  it("binds nobody of this home, and no peer without an offer", async () => {
    await usage.count(new AbortController().signal);
    quotas.require(bob, 1e12);
    offer(1);
    quotas.require(own, 1e12);
    expect(() => quotas.require(bob, 2)).toThrow(expect.objectContaining({ code: "MESH_QUOTA" }));
  });

  it("bounds the number of files and directories too: empty ones are rows", async () => {
    const most = limits.QUOTA_ENTRIES_MIN;
    offer(MIB);
    await usage.count(new AbortController().signal);
    usage.add(most - 2, 0, bob.spiffeId);
    quotas.require(bob, 0);
    usage.madeDirectory(bob.spiffeId);
    usage.addTrash(1, 0, bob.spiffeId);
    const full = expect.objectContaining({ code: "MESH_QUOTA" });
    expect(() => quotas.require(bob, 0)).toThrow(full);
    expect(() => quotas.require(bob, 1)).toThrow(full);
    offer((most + 1) * limits.QUOTA_ENTRY_BYTES);
    quotas.require(bob, 1);
    quotas.require(own, 1);
  });

  it("waits for the count: nobody knows the room before", async () => {
    offer(MIB);
    const busy = expect.objectContaining({ code: "MESH_STORE_BUSY" });
    expect(() => quotas.require(bob, 1)).toThrow(busy);
    await usage.count(new AbortController().signal);
    quotas.require(bob, MIB);
  });

  it("counts files, what is being written and open uploads together", async () => {
    offer(10);
    await usage.count(new AbortController().signal);
    usage.add(1, 4, bob.spiffeId);
    const fileId = newFileId();
    quotas.grew(fileId, bob.spiffeId, 3);
    await quotas.holding(bob, 2, async () => {
      expect(quotas.usedBytes("garage.bob")).toBe(9);
      quotas.require(bob, 1);
      expect(() => quotas.require(bob, 2)).toThrow();
    });
    expect(quotas.usedBytes("garage.bob")).toBe(7);
    quotas.ended(fileId);
    expect(quotas.usedBytes("garage.bob")).toBe(4);
    expect(quotas.usedBytes("home.alice")).toBe(0);
  });

  it("lets no two writers share the same room", async () => {
    offer(10);
    await usage.count(new AbortController().signal);
    let done = () => {};
    const first = quotas.holding(bob, 6, () => new Promise<void>((resolve) => (done = resolve)));
    await expect(quotas.holding(bob, 6, async () => undefined)).rejects.toMatchObject({
      code: "MESH_QUOTA",
    });
    done();
    await first;
    await quotas.holding(bob, 6, async () => undefined);
  });

  it("gives room back when a write fails", async () => {
    offer(10);
    await usage.count(new AbortController().signal);
    const failing = quotas.holding(bob, 10, () => Promise.reject(new Error("no disk")));
    await expect(failing).rejects.toThrow("no disk");
    expect(quotas.usedBytes("garage.bob")).toBe(0);
  });

  it("that was withdrawn takes nothing, however little is used", async () => {
    offer(MIB, { withdrawnAtMs: 5 });
    await usage.count(new AbortController().signal);
    expect(() => quotas.require(bob, 1)).toThrow(
      expect.objectContaining({
        code: "MESH_QUOTA",
        message: expect.stringContaining("home.alice has withdrawn its offer to garage.bob"),
      }),
    );
  });

  it("bounds the chunks of one upload by the room that is left", async () => {
    await usage.count(new AbortController().signal);
    const fileId = newFileId();
    expect(quotas.chunksAllowed(bob, fileId)).toBeUndefined();
    offer(100 * MIB);
    const all = quotas.chunksAllowed(bob, fileId) ?? 0;
    quotas.grew(fileId, bob.spiffeId, 64 * MIB);
    // The upload's own segments stay within what it may have.
    expect(quotas.chunksAllowed(bob, fileId)).toBe(all);
    usage.add(1, 50 * MIB, bob.spiffeId);
    expect(quotas.chunksAllowed(bob, fileId)).toBeLessThan(all);
  });
});

describe("the owner of a file", () => {
  it("belongs to the domain of its certificate, and to no part of a name", () => {
    expect(domainOfOwner("spiffe://garage.bob/person/x@home.alice")).toBe("garage.bob");
    expect(domainOfOwner("spiffe://garage.bob")).toBe("");
    expect(domainOfOwner("")).toBe("");
    expect(domainOfOwner("x spiffe://garage.bob/y")).toBe("");
  });
});

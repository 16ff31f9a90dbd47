import type { NodeId } from "@hearthmesh/core";
import { generateKeyPair, publicKeyDerOf, signerOf } from "@hearthmesh/identity";
import { beforeEach, describe, expect, it } from "vitest";
import { signAnnouncement } from "./announcement.js";
import { forge, forgedBase, idOf, keyOf, offer, RouteMesh, web } from "./testing/route-mesh.js";

describe("what others send", () => {
  let mesh: RouteMesh;
  beforeEach(() => {
    mesh = new RouteMesh(4);
    for (const to of [1, 2, 3]) mesh.connect(to - 1, to);
    mesh.run(1000);
  });
  const counters = () => mesh.machine(0).counters;

  it("is refused and not passed on when its node did not sign it", () => {
    const view = mesh.view(0);
    const bytes = signAnnouncement({ ...forgedBase(idOf(3)), epoch: 9_000_000 }, keyOf(1).sign);
    expect(mesh.tell(0, offer(bytes))).toEqual([]);
    expect(counters().forged).toBe(1);
    expect(mesh.view(0)).toBe(view);
  });

  it("is refused when it claims to be this node's own next life", () => {
    const before = mesh.machine(0).number;
    const bytes = signAnnouncement({ ...forgedBase(idOf(0)), epoch: 2 ** 47 }, keyOf(1).sign);
    mesh.tell(0, offer(bytes));
    expect(mesh.machine(0).number).toEqual(before);
    expect(counters().surpassed).toBe(0);
  });

  it("changes nothing when it is a replay of an older one", () => {
    const old = forge({ epoch: 999_999, sequence: 77 }, keyOf(3));
    const oldSequence = forge({ epoch: 1_000_000, sequence: 0 + 1 }, keyOf(3));
    mesh.tell(3, { type: "services", services: [web] });
    mesh.run(1000);
    const view = mesh.view(0);
    for (const bytes of [old, oldSequence]) expect(mesh.tell(0, offer(bytes))).toEqual([]);
    expect(mesh.view(0)).toBe(view);
    expect(counters().stale).toBeGreaterThanOrEqual(2);
  });

  it("attracts no ways by links that the other end does not announce", () => {
    const neighbours = [idOf(0), idOf(2), idOf(3)].map((nodeId) => {
      return { nodeId, roundTripMs: 0.1, kind: "direct" as const };
    });
    const before = mesh.table(0).pathsTo(idOf(3));
    mesh.tell(0, offer(forge({ neighbours }, keyOf(1))));
    expect(mesh.table(0).pathsTo(idOf(3))).toEqual(before);
    expect(before[0]?.path).toEqual([idOf(1), idOf(2), idOf(3)]);
  });

  it("is dropped when huge or no announcement, and a bad batch is not read to its end", () => {
    const bad = [new Uint8Array(40_000), new Uint8Array(0), new Uint8Array(500).fill(1)];
    for (const bytes of bad) expect(mesh.tell(0, offer(bytes))).toEqual([]);
    expect(counters().malformed).toBe(3);
    const announcements = Array.from({ length: 40 }, () => ({ bytes: bad[1]!, ageMs: 0 }));
    mesh.tell(0, { type: "announcements", from: idOf(1), announcements });
    expect(counters().malformed).toBe(3 + 16);
  });

  it("is held back when one node announces without end", () => {
    for (let sequence = 1; sequence <= 200; sequence++) {
      mesh.tell(0, offer(forge({ sequence }, keyOf(3))));
    }
    expect(counters().throttled).toBeGreaterThan(100);
    const held = mesh.machine(0).numbers.find(({ nodeId }) => nodeId === idOf(3));
    mesh.nowMs += 10_000;
    mesh.tell(0, offer(forge({ sequence: 500 }, keyOf(3))));
    expect(held?.sequence).toBeLessThan(100);
    const { sequence } = mesh.machine(0).numbers.find(({ nodeId }) => nodeId === idOf(3))!;
    expect(sequence).toBe(500);
  });

  it("waits for a key, and counts once the key is known", () => {
    const stranger = generateKeyPair();
    const signer = {
      nodeId: stranger.nodeId,
      publicKey: publicKeyDerOf(stranger.publicKeyPem),
      sign: signerOf(stranger.privateKeyPem),
    };
    expect(mesh.tell(0, offer(forge({ services: [web] }, signer)))).toEqual([]);
    expect(mesh.machine(0).sizes.waiting).toBe(1);
    mesh.publicKeys.set(stranger.nodeId, signer.publicKey);
    const effects = mesh.tell(0, { type: "key-known", nodeId: stranger.nodeId });
    mesh.publicKeys.delete(stranger.nodeId);
    expect(effects.map(({ type }) => type)).toEqual(["send", "changed"]);
    expect(
      mesh
        .machine(0)
        .services()
        .map(({ nodeId }) => nodeId),
    ).toEqual([stranger.nodeId]);
    expect(mesh.machine(0).sizes.waiting).toBe(0);
  });

  it("never waits in greater number than the limit", () => {
    for (let index = 0; index < 200; index++) {
      const nodeId = `${"abcdefghijklmnop"[index % 16]}${"abcdefghijklmnop"[index >> 4]}`;
      const bytes = signAnnouncement(
        forgedBase(nodeId.repeat(26).slice(0, 51).concat("a") as NodeId),
        keyOf(1).sign,
      );
      mesh.tell(0, offer(bytes));
    }
    expect(mesh.machine(0).sizes.waiting).toBe(128);
  });
});

/** What a coordinator of a peer may ask on behalf of whom, over real links. */
import { encodeMessage, fromWireError, limits } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { Link } from "@hearthmesh/qwormhole";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { coordinatorOverLink } from "../client/coordinator-link.js";
import { RealWorld } from "../client/testing/real-world.js";
import { newIdentity } from "../client/testing/small-node.js";
import { inPieces, joined, pattern } from "../client/testing/small-world.js";
import { onBehalfOf, PEER_CALL, PeerCalls } from "./peer-calls.js";
import * as callers from "./testing/peer-callers.js";
import { atHome, filesOver } from "./testing/peer-callers.js";

const MIB = limits.CHUNK_BYTES_MAX;
const ALICE = "home.alice.example";

let bob: RealWorld;
beforeEach(async () => {
  bob = new RealWorld();
  await bob.start(2);
});
afterEach(() => bob.stop());

type Caller = callers.Caller;
const foreigner = (
  kind: "person" | "coordinator" | "node",
  name: string,
  domain?: string,
): Caller => callers.foreigner(bob, kind, name, domain);
const way = (caller: Caller, options?: callers.WayOptions) => callers.way(bob, caller, options);

describe("peer.call", () => {
  const claim = (principal: Principal) => ({
    kind: "person",
    spiffeId: principal.spiffeId,
    nodeId: principal.nodeId,
    serial: principal.serial,
    notAfterMs: principal.notAfterMs,
  });

  async function call(caller: Caller, header: object, method = PEER_CALL): Promise<string> {
    const link: Link = await bob.dial("coordinator", caller.identity);
    try {
      await link.request(method, encodeMessage(header));
      return "done";
    } catch (error) {
      return fromWireError(error).code;
    }
  }
  const list = { method: "file.list", header: { path: "/" } };

  it("is for coordinators of peers, and for their own people alone", async () => {
    const carol = foreigner("person", "carol@home.alice");
    const coordinator = foreigner("coordinator", "alice-coordinator");
    const dave = foreigner("person", "dave@office.dave", "office.dave.example");
    for (const { principal } of [carol, dave]) bob.policy.grant(principal, "/:read");
    const asked = { ...list, principal: claim(carol.principal) };
    expect(await call(coordinator, asked)).toBe("done");
    const node = foreigner("node", "alice-node-01");
    const own = { identity: newIdentity("own"), principal: carol.principal };
    bob.admit("coordinator", "bob-coordinator", own.identity);
    for (const other of [carol, node, own]) expect(await call(other, asked)).toBe("MESH_FORBIDDEN");
    const forDave = { ...list, principal: claim(dave.principal) };
    expect(await call(coordinator, forDave)).toBe("MESH_FORBIDDEN");
  });

  it("believes no claim about who somebody is", async () => {
    const carol = foreigner("person", "carol@home.alice");
    const coordinator = foreigner("coordinator", "alice-coordinator");
    bob.policy.grant(carol.principal, "/:read");
    const own = bob.admit("coordinator", "bob-coordinator", newIdentity("bob"));
    bob.policy.grant(own, "/:read");
    const who = claim(carol.principal);
    const asked = (principal: unknown) => call(coordinator, { ...list, principal });
    expect(await asked(who)).toBe("done");
    expect(await asked({ ...who, spiffeId: own.spiffeId })).toBe("MESH_FORBIDDEN");
    expect(await asked({ ...who, kind: "coordinator" })).toBe("MESH_BAD_REQUEST");
    const node = `spiffe://${ALICE}/node/attic`;
    expect(await asked({ ...who, spiffeId: node })).toBe("MESH_FORBIDDEN");
    expect(await asked({ ...who, spiffeId: "spiffe://x" })).toBe("MESH_CERT_INVALID");
    expect(await asked({ ...who, nodeId: "me" })).toBe("MESH_BAD_REQUEST");
    expect(await asked(undefined)).toBe("MESH_BAD_REQUEST");
    // The operator is the coordinator itself, which has no grant here.
    const operator = { ...who, kind: "operator", spiffeId: own.spiffeId };
    expect(await asked(operator)).toBe("MESH_FORBIDDEN");
    bob.policy.grant(coordinator.principal, "/:read");
    expect(await asked(operator)).toBe("done");
  });

  it("serves files, and nothing else", async () => {
    const carol = foreigner("person", "carol@home.alice");
    const coordinator = foreigner("coordinator", "alice-coordinator");
    bob.policy.grant(carol.principal, "/:read+write+delete+share");
    const principal = claim(carol.principal);
    for (const method of ["node.register", "coordinator.call", "peer.call", "file.nothing", ""]) {
      const answer = await call(coordinator, { principal, method, header: {} });
      expect([method, answer]).toEqual([method, "MESH_FORBIDDEN"]);
    }
    const noHeader = await call(coordinator, { principal, method: "file.list" });
    expect(noHeader).toBe("MESH_BAD_REQUEST");
    expect(await call(coordinator, { ...list, principal }, "peer.calls")).not.toBe("done");
  });

  it("gives tickets that nobody but the calling coordinator can use", async () => {
    const carol = foreigner("person", "carol@home.alice");
    const coordinator = foreigner("coordinator", "alice-coordinator");
    bob.policy.grant(carol.principal, "/:read+write");
    await filesOver(way(carol)).write("/film", inPieces(pattern(2 * MIB), MIB));
    // Its calls go through the coordinator, its links have the person's own key.
    const pool = bob.links(coordinator.identity);
    const port = coordinatorOverLink((signal) => pool.linkTo(bob.coordinatorNode, signal));
    const mixed = way(carol, { wrap: () => onBehalfOf(atHome(carol.principal), port) });
    const { stream } = await filesOver(mixed).read("/film");
    await expect(joined(stream)).rejects.toMatchObject({ code: "MESH_CHUNK_UNAVAILABLE" });
  });

  it("bounds the calls of one coordinator that are under way", async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const calls = new PeerCalls({
      async call() {
        await held;
        return { header: {}, body: new Uint8Array(0) };
      },
    });
    const { principal } = foreigner("coordinator", "alice-coordinator");
    const body = Buffer.concat(encodeMessage({ ...list, principal: { kind: "operator" } }));
    const ask = async (_?: unknown, number = 0) => {
      // A member may have as many coordinators as it likes: they share what it has.
      const nodeId = `${number}`.padStart(52, "c") as typeof principal.nodeId;
      const peer = { nodeId, identity: { ...principal, nodeId } };
      return calls.handlers().onRequest?.({ method: PEER_CALL, peer, body } as never);
    };
    const first = Array.from({ length: limits.PEER_CALLS_IN_FLIGHT_MAX }, ask);
    await expect(ask()).rejects.toMatchObject({ code: "MESH_LIMIT" });
    release();
    await Promise.all(first);
    await ask();
  });

  it("is not made for nodes, nor for people of other members", () => {
    const { principal } = foreigner("person", "carol@home.alice");
    const port = { call: () => Promise.reject(new Error("not asked")) };
    expect(() => onBehalfOf(principal, port)).toThrow(/cannot go on from here/);
    const node = { ...principal, kind: "node" as const };
    expect(() => onBehalfOf(node, port)).toThrow(/cannot go on from here/);
  });
});

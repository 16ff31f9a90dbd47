/** The ways over links to a peer: straight, and by its coordinator. */
import { encodeMessage, fromWireError, limits, MeshError } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RealWorld } from "../client/testing/real-world.js";
import { newIdentity } from "../client/testing/small-node.js";
import { inPieces, pattern } from "../client/testing/small-world.js";
import { claimFor } from "./peer-claim.js";
import { PEER_READ } from "./peer-streams.js";
import * as callers from "./testing/peer-callers.js";
import { atHome, filesOver, roundTrip } from "./testing/peer-callers.js";

const MIB = limits.CHUNK_BYTES_MAX;

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
const relay = (caller: Caller, options?: callers.WayOptions) => callers.relay(bob, caller, options);

describe("the straight way to a peer", () => {
  it("takes a person to the files that were granted, and to no others", async () => {
    const carol = foreigner("person", "carol@home.alice");
    bob.policy.grant(carol.principal, "/garage:read+write+delete");
    const files = filesOver(way(carol));
    await files.makeDirectory("/garage");
    await roundTrip(files, "/garage/film");
    expect((await files.stat("/garage/film")).owner).toBe(carol.principal.spiffeId);
    await files.move("/garage/film", "/garage/movie");
    expect((await files.listPage("/garage")).entries.map(({ name }) => name)).toEqual(["movie"]);
    await expect(files.stat("/attic")).rejects.toMatchObject({
      code: "MESH_FORBIDDEN",
      message: expect.stringMatching(/^bob: /),
    });
    expect(await files.remove("/garage/movie")).toBe(1);
  });

  it("is taken by a coordinator for its own people, with its own key", async () => {
    const carol = foreigner("person", "carol@home.alice");
    const coordinator = foreigner("coordinator", "alice-coordinator");
    bob.policy.grant(carol.principal, "/:read+write+delete");
    const files = filesOver(way(coordinator, { behalfOf: atHome(carol.principal) }));
    await roundTrip(files, "/film");
    expect((await files.stat("/film")).owner).toBe(carol.principal.spiffeId);
    bob.policy.grant(coordinator.principal, "/own:read");
    const operator = { ...coordinator.principal, kind: "coordinator" as const };
    const own = filesOver(way(coordinator, { behalfOf: operator }));
    await expect(own.stat("/film")).rejects.toMatchObject({ code: "MESH_FORBIDDEN" });
    expect((await own.stat("/")).kind).toBe("directory");
  });

  it("gives way where the storage nodes cannot be reached, before a byte is written", async () => {
    const carol = foreigner("person", "carol@home.alice");
    bob.policy.grant(carol.principal, "/:read+write");
    const behindRouter = way(carol, { isCut: (host) => host.startsWith("node-") });
    const other = way(carol, { name: "another way" });
    const files = filesOver(behindRouter, other);
    await roundTrip(files, "/film");
    const alone = filesOver(behindRouter);
    let taken = 0;
    const source = async function* () {
      for await (const piece of inPieces(pattern(8 * MIB), MIB)) {
        taken++;
        yield piece;
      }
    };
    await expect(alone.write("/g", source())).rejects.toMatchObject({
      code: "MESH_NO_STORAGE",
      message: expect.stringContaining("no way through the router"),
    });
    // What tells a small file from a large one, and nothing for nodes that are not there.
    expect(taken).toBe(1);
    await expect(alone.stat("/g")).rejects.toMatchObject({ code: "MESH_PATH_NOT_FOUND" });
    await expect.poll(() => bob.coordinator.status().uploadsOpen).toBe(0);
  });

  it("leaves nothing half visible when it is cut in the middle; a retry works", async () => {
    const carol = foreigner("person", "carol@home.alice");
    bob.policy.grant(carol.principal, "/:read+write");
    let isCut = false;
    const cut = way(carol, {
      isCut: () => isCut,
      wrap: (port) => ({
        call: async (...call) => {
          if (isCut) throw new MeshError("MESH_UNREACHABLE", { message: "the cable was cut" });
          return port.call(...call);
        },
      }),
    });
    const source = async function* () {
      for await (const piece of inPieces(pattern(90 * MIB), MIB)) {
        yield piece;
        sent++;
        if (sent === 80) isCut = true;
      }
    };
    let sent = 0;
    const written = filesOver(cut).write("/film", source());
    await expect(written).rejects.toMatchObject({
      code: "MESH_UNREACHABLE",
      message: expect.stringMatching(/^bob: the write broke off/),
    });
    isCut = false;
    const files = filesOver(cut);
    await expect(files.stat("/film")).rejects.toMatchObject({ code: "MESH_PATH_NOT_FOUND" });
    await roundTrip(files, "/film");
  });

  it("says that nobody knows when the answer to the last call was lost", async () => {
    const carol = foreigner("person", "carol@home.alice");
    bob.policy.grant(carol.principal, "/:read+write");
    const losing = way(carol, {
      wrap: (port) => ({
        async call(...call) {
          const answer = await port.call(...call);
          if (call[0] !== "file.put") return answer;
          throw new MeshError("MESH_UNREACHABLE", { message: "the cable was cut" });
        },
      }),
    });
    const other = way(carol, { name: "another way" });
    const files = filesOver(losing, other);
    await expect(files.write("/f", inPieces(pattern(9), 9))).rejects.toMatchObject({
      details: { undone: false },
      hint: expect.stringContaining("mesh stat"),
    });
    expect((await filesOver(other).stat("/f")).sizeBytes).toBe(9);
  });
});

describe("the way by the peer's coordinator", () => {
  const behindRouter = { isCut: (host: string) => host.startsWith("node-") };

  it("takes whoever reaches nothing else there, for itself or for somebody", async () => {
    const carol = foreigner("person", "carol@home.alice");
    const coordinator = foreigner("coordinator", "alice-coordinator");
    bob.policy.grant(carol.principal, "/:read+write");
    await roundTrip(filesOver(way(carol, behindRouter), relay(carol, behindRouter)), "/a");
    const behalfOf = atHome(carol.principal);
    const forCarol = filesOver(relay(coordinator, { ...behindRouter, behalfOf }));
    await roundTrip(forCarol, "/b");
    expect((await forCarol.stat("/b")).owner).toBe(carol.principal.spiffeId);
    bob.policy.grant(coordinator.principal, "/own:read+write");
    const operator = { ...coordinator.principal, kind: "coordinator" as const };
    const own = filesOver(relay(coordinator, { behalfOf: operator }));
    await expect(own.read("/b")).rejects.toMatchObject({ code: "MESH_FORBIDDEN" });
    const written = own.write("/b", inPieces(pattern(9), 9));
    await expect(written).rejects.toMatchObject({ code: "MESH_FORBIDDEN" });
  });

  it("keeps to conditions, and to what was asked", async () => {
    const carol = foreigner("person", "carol@home.alice");
    bob.policy.grant(carol.principal, "/:read+write");
    const files = filesOver(relay(carol));
    const { etag } = await files.write("/f", inPieces(pattern(9), 9), { ifMatch: "" });
    const again = files.write("/f", inPieces(pattern(8), 8), { ifMatch: "" });
    await expect(again).rejects.toMatchObject({ code: "MESH_PATH_CHANGED" });
    await files.write("/f", inPieces(pattern(7), 7), { ifMatch: etag });
    await expect(files.read("/g")).rejects.toMatchObject({ code: "MESH_PATH_NOT_FOUND" });
    const outside = files.read("/f", { start: 99 });
    await expect(outside).rejects.toMatchObject({ code: "MESH_RANGE_INVALID" });
  });

  it("ends a transfer with the right that it rests on, and keeps nothing of a write", async () => {
    const carol = foreigner("person", "carol@home.alice");
    bob.policy.grant(carol.principal, "/:read+write");
    const files = filesOver(relay(carol));
    await files.write("/film", inPieces(pattern(40 * MIB), MIB));
    const { stream } = await files.read("/film");
    let bytes = 0;
    const read = async () => {
      for await (const piece of stream) {
        bytes += piece.length;
        bob.policy.grant(carol.principal, "/:write");
      }
    };
    await expect(read()).rejects.toMatchObject({ code: "MESH_FORBIDDEN" });
    expect(bytes).toBeLessThan(40 * MIB);
    const source = async function* () {
      yield* inPieces(pattern(3 * MIB), MIB);
      bob.policy.grant(carol.principal, "/:read");
      yield* inPieces(pattern(MIB), MIB);
    };
    await expect(files.write("/new", source())).rejects.toMatchObject({ code: "MESH_FORBIDDEN" });
    const gone = { code: "MESH_PATH_NOT_FOUND" };
    await expect(files.stat("/new")).rejects.toMatchObject(gone);
    // The source itself failing is nobody else's fault, and leaves nothing either.
    bob.policy.grant(carol.principal, "/:read+write");
    const broken = async function* () {
      yield* inPieces(pattern(3 * MIB), MIB);
      throw new Error("the disk went");
    };
    await expect(files.write("/new", broken())).rejects.toThrow("the disk went");
    await expect(files.stat("/new")).rejects.toMatchObject(gone);
    await expect.poll(() => bob.coordinator.status().uploadsOpen).toBe(0);
  });

  it("is for people of peers, and for coordinators of peers with a claim", async () => {
    const carol = foreigner("person", "carol@home.alice");
    const coordinator = foreigner("coordinator", "alice-coordinator");
    const node = foreigner("node", "alice-node-01");
    const own = { identity: newIdentity("own"), principal: carol.principal };
    bob.admit("person", "bobby@garage.bob", own.identity);
    for (const { principal } of [carol, coordinator, node]) bob.policy.grant(principal, "/:read");
    const claim = claimFor(atHome(carol.principal));
    const code = async ({ identity }: Caller, principal?: unknown, method = PEER_READ) => {
      const link = await bob.dial("coordinator", identity);
      const header = Buffer.concat(encodeMessage({ path: "/none", principal }));
      const stream = await link.openStream(method, header);
      try {
        for await (const _ of stream.readable);
        return "answered";
      } catch (error) {
        return fromWireError(error).code;
      }
    };
    // Let in, and told that the file is not there.
    expect(await code(carol)).toBe("MESH_PATH_NOT_FOUND");
    expect(await code(coordinator, claim)).toBe("MESH_PATH_NOT_FOUND");
    for (const refused of [
      await code(carol, claim),
      await code(coordinator),
      await code(node),
      await code(node, claim),
      await code(own),
      await code(carol, undefined, "peer.remove"),
      await code(coordinator, { ...claim, spiffeId: "spiffe://office.dave/person/dave@x.y" }),
    ]) {
      expect(refused).toBe("MESH_FORBIDDEN");
    }
  });
});

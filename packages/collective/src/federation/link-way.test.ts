/** Bob's real coordinator and storage nodes; people and the coordinator of Alice come over links. */
import {
  encodeMessage,
  fromWireError,
  limits,
  MeshError,
  silentLogger,
  systemClock,
  systemRandom,
} from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { Link, LinkIdentity } from "@hearthmesh/qwormhole";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { coordinatorOverLink } from "../client/coordinator-link.js";
import type { CoordinatorPort } from "../client/ports.js";
import { RealWorld } from "../client/testing/real-world.js";
import { newIdentity } from "../client/testing/small-node.js";
import { inPieces, joined, pattern } from "../client/testing/small-world.js";
import { linkWay } from "./link-way.js";
import { onBehalfOf, PEER_CALL, PeerCalls } from "./peer-calls.js";
import { claimFor } from "./peer-claim.js";
import { PeerFiles, type PeerWay } from "./peer-files.js";
import { PEER_READ } from "./peer-streams.js";
import { relayWay } from "./relay-way.js";
import { WayMemory } from "./way-memory.js";

const MIB = limits.CHUNK_BYTES_MAX;
const [clock, random, log] = [systemClock(), systemRandom(), silentLogger];
const ALICE = "home.alice.example";

let bob: RealWorld;
beforeEach(async () => {
  bob = new RealWorld();
  await bob.start(2);
});
afterEach(() => bob.stop());

interface Caller {
  readonly identity: LinkIdentity;
  readonly principal: Principal;
}

function foreigner(kind: "person" | "coordinator" | "node", name: string, domain = ALICE): Caller {
  const identity = newIdentity(`${name} of ${domain}`);
  return { identity, principal: bob.admitForeign(kind, [domain, name], identity) };
}

/** The bytes through Bob's coordinator. */
function relay(caller: Caller, options: WayOptions = {}): PeerWay {
  const straight = way(caller, options);
  const pool = bob.links(caller.identity, options.isCut);
  const link = (signal?: AbortSignal) => pool.linkTo(bob.coordinatorNode, signal);
  const claim = options.behalfOf === undefined ? {} : { claim: claimFor(options.behalfOf) };
  return relayWay({ name: "by its coordinator", straight, link, ...claim, clock });
}

interface WayOptions {
  readonly name?: string;
  isCut?(host: string): boolean;
  /** For somebody of the same member. */
  readonly behalfOf?: Principal;
  wrap?(port: CoordinatorPort): CoordinatorPort;
}

function way(caller: Caller, options: WayOptions = {}): PeerWay {
  const pool = bob.links(caller.identity, options.isCut);
  const reach = (signal?: AbortSignal) => pool.linkTo(bob.coordinatorNode, signal);
  const plain = coordinatorOverLink(reach);
  const port = options.wrap?.(plain) ?? plain;
  const { name = "straight", behalfOf } = options;
  const coordinator = behalfOf === undefined ? port : onBehalfOf(behalfOf, port);
  const self = caller.principal.nodeId;
  return linkWay({ name, coordinator, reach, links: pool, self, clock, random, log });
}

function filesOver(...ways: PeerWay[]): PeerFiles {
  const memory = new WayMemory();
  return new PeerFiles({ peer: "bob", trustDomain: "garage.bob", ways, memory, clock, log });
}

/** A person of Alice as Alice's own coordinator knows it. */
const atHome = (principal: Principal): Principal => ({ ...principal, kind: "person" });

async function roundTrip(files: PeerFiles, path: string): Promise<void> {
  for (const size of [17, 3 * MIB + 5]) {
    const bytes = pattern(size);
    const entry = await files.write(path, inPieces(bytes, MIB));
    expect([entry.path, entry.sizeBytes]).toEqual([path, size]);
    expect((await joined((await files.read(path)).stream)).equals(bytes)).toBe(true);
    const { stream } = await files.read(path, { start: size - 9, endInclusive: size - 2 });
    expect((await joined(stream)).equals(bytes.subarray(-9, -1))).toBe(true);
  }
}

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
    const peer = { nodeId: principal.nodeId, identity: principal };
    const ask = async () =>
      calls.handlers().onRequest?.({ method: PEER_CALL, peer, body } as never);
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

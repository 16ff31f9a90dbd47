/** People and coordinators of Alice, who come to Bob's real coordinator and storage nodes. */
import { limits, silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { LinkIdentity } from "@hearthmesh/qwormhole";
import { expect } from "vitest";
import { coordinatorOverLink } from "../../client/coordinator-link.js";
import type { CoordinatorPort } from "../../client/ports.js";
import type { RealWorld } from "../../client/testing/real-world.js";
import { newIdentity } from "../../client/testing/small-node.js";
import { inPieces, joined, pattern } from "../../client/testing/small-world.js";
import { linkWay } from "../link-way.js";
import { onBehalfOf } from "../peer-calls.js";
import { claimFor } from "../peer-claim.js";
import { PeerFiles, type PeerWay } from "../peer-files.js";
import { relayWay } from "../relay-way.js";
import { WayMemory } from "../way-memory.js";

const MIB = limits.CHUNK_BYTES_MAX;
const [clock, random, log] = [systemClock(), systemRandom(), silentLogger];
const ALICE = "home.alice.example";

export interface Caller {
  readonly identity: LinkIdentity;
  readonly principal: Principal;
}

export function foreigner(
  bob: RealWorld,
  kind: "person" | "coordinator" | "node",
  name: string,
  domain = ALICE,
): Caller {
  const identity = newIdentity(`${name} of ${domain}`);
  return { identity, principal: bob.admitForeign(kind, [domain, name], identity) };
}

/** The bytes through Bob's coordinator. */
export function relay(bob: RealWorld, caller: Caller, options: WayOptions = {}): PeerWay {
  const straight = way(bob, caller, options);
  const pool = bob.links(caller.identity, options.isCut);
  const link = (signal?: AbortSignal) => pool.linkTo(bob.coordinatorNode, signal);
  const claim = options.behalfOf === undefined ? {} : { claim: claimFor(options.behalfOf) };
  return relayWay({ name: "by its coordinator", straight, link, ...claim, clock });
}

export interface WayOptions {
  readonly name?: string;
  isCut?(host: string): boolean;
  /** For somebody of the same member. */
  readonly behalfOf?: Principal;
  wrap?(port: CoordinatorPort): CoordinatorPort;
}

export function way(bob: RealWorld, caller: Caller, options: WayOptions = {}): PeerWay {
  const pool = bob.links(caller.identity, options.isCut);
  const reach = (signal?: AbortSignal) => pool.linkTo(bob.coordinatorNode, signal);
  const plain = coordinatorOverLink(reach);
  const port = options.wrap?.(plain) ?? plain;
  const { name = "straight", behalfOf } = options;
  const coordinator = behalfOf === undefined ? port : onBehalfOf(behalfOf, port);
  const self = caller.principal.nodeId;
  return linkWay({ name, coordinator, reach, links: pool, self, clock, random, log });
}

export function filesOver(...ways: PeerWay[]): PeerFiles {
  const memory = new WayMemory();
  return new PeerFiles({ peer: "bob", trustDomain: "garage.bob", ways, memory, clock, log });
}

/** A person of Alice as Alice's own coordinator knows it. */
export const atHome = (principal: Principal): Principal => ({ ...principal, kind: "person" });

export async function roundTrip(files: PeerFiles, path: string): Promise<void> {
  for (const size of [17, 3 * MIB + 5]) {
    const bytes = pattern(size);
    const entry = await files.write(path, inPieces(bytes, MIB));
    expect([entry.path, entry.sizeBytes]).toEqual([path, size]);
    expect((await joined((await files.read(path)).stream)).equals(bytes)).toBe(true);
    const { stream } = await files.read(path, { start: size - 9, endInclusive: size - 2 });
    expect((await joined(stream)).equals(bytes.subarray(-9, -1))).toBe(true);
  }
}

/**
 * The trust of a simulated member, made by the code that ships: a CA, an authority over the
 * member's store, an invite for everybody and its redemption. Issuing uses Web Crypto, whose thread
 * pool finishes in no fixed order, so all of it happens before virtual time begins to move;
 * verifying is synchronous and happens inside the simulation.
 */

import { Authority, type EnrolResult } from "@hearthmesh/collective";
import { type Clock, type Logger, type NodeId, type Random, silentLogger } from "@hearthmesh/core";
import {
  createCertificateRequest,
  createMemberCa,
  decodePem,
  type Grant,
  generateKeyPair,
  type KeyPairPem,
  type MemberCa,
  type Principal,
  parseGrant,
  publicKeyDerOf,
  signerOf,
  type TrustBundle,
} from "@hearthmesh/identity";
import type { LinkIdentity } from "@hearthmesh/qwormhole";
import { MemoryHistory, memoryStore } from "@hearthmesh/store";
import type { SeededRandom } from "./seeded-random.js";

export const SIM_MEMBER = "home";
export const SIM_DOMAIN = "home.sim";

const INVITE_VALIDITY_MS = 3_600_000;

export interface SimIdentity {
  /** As the harness calls it: `alpha`, `alice`. */
  readonly name: string;
  readonly nodeId: NodeId;
  readonly spiffeId: string;
  readonly keys: KeyPairPem;
  readonly certificateDer: Uint8Array;
  readonly link: LinkIdentity;
}

export interface SimPeople {
  readonly coordinator: string;
  readonly storage: readonly string[];
  /** Name of a person to its grants, each as `/path:read+write`. */
  readonly people: Readonly<Record<string, readonly string[]>>;
}

export interface SimTrust {
  readonly ca: MemberCa;
  readonly bundle: TrustBundle;
  /** The store in which everybody is enrolled: what the coordinator's disk holds at its start. */
  readonly history: MemoryHistory;
  readonly identities: ReadonlyMap<string, SimIdentity>;
}

export async function enrolEverybody(
  who: SimPeople,
  options: { clock: Clock; random: SeededRandom; log?: Logger },
): Promise<SimTrust> {
  const { clock, log = silentLogger } = options;
  const random = options.random.fork("trust");
  const trust = { memberId: SIM_MEMBER, trustDomain: SIM_DOMAIN };
  const ca = await createMemberCa({ ...trust, clock, random: random.fork("ca") });
  const history = new MemoryHistory();
  const store = memoryStore({ clock, history });
  const authority = await Authority.open({ ...trust, store, ca, clock, random, log });
  const identities = new Map<string, SimIdentity>();
  const keep = (name: string, keys: KeyPairPem, result: EnrolResult) =>
    identities.set(name, identityOf(name, keys, result));

  const own = await newRequest(random, who.coordinator);
  const coordinator = await authority.enrolCoordinator({ ...own, name: who.coordinator });
  keep(who.coordinator, own.keys, coordinator);
  const operator = authority.principal([decodePem("CERTIFICATE", coordinator.certificatePem)]);
  for (const name of who.storage) {
    const { keys, result } = await admit(authority, operator, random, { kind: "node", name });
    keep(name, keys, result);
  }
  for (const [name, grants] of Object.entries(who.people)) {
    const newcomer = { kind: "person" as const, name, grants: grants.map(parseGrant) };
    const { keys, result } = await admit(authority, operator, random, newcomer);
    keep(name, keys, result);
  }
  const bundle = authority.trustBundle;
  await authority.close();
  await store.close();
  return { ca, bundle, history, identities };
}

async function admit(
  authority: Authority,
  operator: Principal,
  random: SeededRandom,
  newcomer: { kind: "node" | "person"; name: string; grants?: readonly Grant[] },
): Promise<{ keys: KeyPairPem; result: EnrolResult }> {
  const { kind, name, grants } = newcomer;
  const invite = await authority.createInvite(operator, {
    kind,
    ...(grants === undefined ? {} : { grants }),
    validityMs: INVITE_VALIDITY_MS,
    endpoints: [{ host: "coordinator.sim", port: 9001 }],
  });
  const { keys, csrPem } = await newRequest(random, name);
  const fullName = kind === "person" ? `${name}@${SIM_DOMAIN}` : name;
  const secret = { inviteId: invite.code.id, secret: invite.code.secret };
  const result = await authority.enrol({ ...secret, csrPem, kind, name: fullName });
  return { keys, result };
}

async function newRequest(random: SeededRandom, name: string) {
  const keys = generateKeyPair(random.fork(name) as Random);
  return { keys, csrPem: await createCertificateRequest(keys) };
}

function identityOf(name: string, keys: KeyPairPem, result: EnrolResult): SimIdentity {
  const publicKey = publicKeyDerOf(keys.publicKeyPem);
  return {
    name,
    nodeId: result.nodeId,
    spiffeId: result.spiffeId,
    keys,
    certificateDer: decodePem("CERTIFICATE", result.certificatePem),
    link: { publicKey, sign: signerOf(keys.privateKeyPem) },
  };
}

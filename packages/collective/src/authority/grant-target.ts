/** From what somebody typed to whom a grant is for: a local person's key, or a peer's people. */
import { MeshError, type NodeId, type TrustDomain } from "@hearthmesh/core";
import { type IdentityRecord, parseSpiffeId } from "@hearthmesh/identity";
import type { AuthorityContext } from "./context.js";
import { type GrantTarget, parseSubject, type Subject } from "./grant-subject.js";
import type { PeerBook } from "./peers.js";

/** What must be known about this member and its peers. */
export interface SubjectView {
  readonly trustDomain: TrustDomain;
  identity(nodeId: NodeId): IdentityRecord | undefined;
  /** A person of this member, one that is not revoked before others. */
  personNamed(name: string): IdentityRecord | undefined;
  isRevoked(nodeId: NodeId): boolean;
  /** When the peer of this domain was accepted; undefined when it is none. */
  peerSinceMs(domain: string): number | undefined;
}

/** What the records and the peers of this member say. */
export function subjectView(
  { cache, trustDomain }: AuthorityContext,
  peers: Pick<PeerBook, "get">,
): SubjectView {
  return {
    trustDomain,
    identity: (nodeId) => cache.get(nodeId),
    isRevoked: (nodeId) => cache.isRevoked(nodeId),
    personNamed: (name) => {
      const named = cache.all().filter((one) => one.kind === "person" && one.name === name);
      return named.find(({ nodeId }) => !cache.isRevoked(nodeId)) ?? named[0];
    },
    peerSinceMs: (domain) => peers.get(domain as TrustDomain)?.acceptedAtMs,
  };
}

/** Who is meant, without asking whether a grant may be given to it. */
export type Meant =
  | { readonly who: "local"; readonly identity: IdentityRecord }
  | { readonly who: "subject"; readonly subject: Subject };

/**
 * A name that is one of this member and of a peer at the same time is `MESH_BAD_REQUEST`: whoever
 * chose it here must not get what is meant for the other. A key, or `spiffe://...`, says which.
 */
export function whoIsMeant(view: SubjectView, text: string): Meant {
  const plain = text.trim();
  const byKey = view.identity(plain as NodeId);
  if (byKey !== undefined) return { who: "local", identity: byKey };
  if (plain.startsWith("spiffe://")) return meantBySpiffeId(view, plain);
  const subject = parseSubject(plain);
  const identity = subject.kind === "person" ? view.personNamed(subject.text) : undefined;
  if (identity === undefined) return { who: "subject", subject };
  if (view.peerSinceMs(subject.domain) === undefined) return { who: "local", identity };
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `${subject.text} is a person of this member and one of the peer ${subject.domain}`,
    hint: `Write spiffe://${subject.domain}/person/${subject.text}, or ${identity.spiffeId}.`,
  });
}

function meantBySpiffeId(view: SubjectView, text: string): Meant {
  const { trustDomain, kind, name } = readSpiffeId(text);
  if (trustDomain === view.trustDomain) {
    const identity = kind === "person" ? view.personNamed(name) : undefined;
    if (identity !== undefined) return { who: "local", identity };
    throw notFound(name);
  }
  const subject = parseSubject(name);
  if (kind === "person" && subject.domain === trustDomain) return { who: "subject", subject };
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `${text} cannot be named: only people whose name is of their own domain can`,
    hint: `Give it to all of them: *@${trustDomain}.`,
  });
}

/** For a new grant: the person is here, or the domain is a peer's. */
export function grantTarget(view: SubjectView, text: string): GrantTarget & { name: string } {
  const meant = whoIsMeant(view, text);
  if (meant.who === "local") return localTarget(view, meant.identity);
  const { subject } = meant;
  const isOwn = subject.domain === view.trustDomain;
  if (subject.kind === "person" && isOwn) throw notFound(subject.text);
  if (subject.kind === "operator" && isOwn) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: "the operator of this member may do everything already",
    });
  }
  if (subject.kind !== "everybody" && !isOwn && view.peerSinceMs(subject.domain) === undefined) {
    throw new MeshError("MESH_PEER_UNKNOWN", {
      message: `nobody called ${subject.text} is enrolled, and ${subject.domain} is no peer`,
      hint: "`mesh identity list` shows who is enrolled, `mesh peer list` the peers.",
    });
  }
  return { subject: subject.text, name: subject.text };
}

function localTarget(view: SubjectView, identity: IdentityRecord): GrantTarget & { name: string } {
  const { kind, name, nodeId } = identity;
  if (view.isRevoked(nodeId)) {
    throw new MeshError("MESH_BAD_REQUEST", { message: `${name} was revoked` });
  }
  if (kind === "person") return { subject: name, nodeId, name };
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `${name} is a ${kind}: grants are for people; nodes have roles`,
  });
}

function readSpiffeId(text: string) {
  try {
    return parseSpiffeId(text);
  } catch (cause) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `${JSON.stringify(text.slice(0, 80))} is not a SPIFFE id`,
      cause,
    });
  }
}

function notFound(name: string): MeshError {
  return new MeshError("MESH_NOT_FOUND", {
    message: `nobody called ${name} is enrolled here`,
    hint: "`mesh identity list` shows who is.",
  });
}

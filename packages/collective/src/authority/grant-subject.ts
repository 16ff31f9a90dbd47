/**
 * Whom a grant is for, and whom it matches. Pure.
 *
 * | subject               | matches                                                            |
 * |-----------------------|--------------------------------------------------------------------|
 * | a name, with a key    | the local person with that key, whatever it is called later        |
 * | `carol@office.carol`  | a person of the peer `office.carol` of that name                   |
 * | `*@garage.bob`        | people and coordinators whose certificate is of `garage.bob`       |
 * | `*@*`                 | people of this member, people and coordinators of every peer       |
 * | `operator@garage.bob` | the coordinators of `garage.bob`                                   |
 *
 * Who somebody is follows from the certificate alone: its key for people of this member, its trust
 * domain and name for others. So a local person who chose the name `bob@garage.bob` matches nothing
 * that is meant for the peer, and a person whom `garage.bob` let in as `carol@office.carol` nothing
 * that is meant for the Carol of `office.carol`. Nodes match nothing: they have roles, not grants.
 */
import { MeshError, type NodeId, parseGlobalId, parseTrustDomain } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";

export const EVERYBODY = "*@*";
const ANY = "*";
const OPERATOR = "operator";

type SubjectKind = "person" | "domain" | "everybody" | "operator";

/** A subject in its one spelling. */
export interface Subject {
  readonly text: string;
  readonly kind: SubjectKind;
  /** `*` for everybody. */
  readonly domain: string;
}

/** `MESH_BAD_REQUEST` when it is not of the form. */
export function parseSubject(text: string): Subject {
  const plain = text.trim().toLowerCase();
  const at = plain.indexOf("@");
  const [name, domain] = [plain.slice(0, at), plain.slice(at + 1)];
  if (at < 1 || domain === "") throw badSubject(text);
  if (plain === EVERYBODY) return { text: plain, kind: "everybody", domain };
  if (name === ANY) return { text: plain, kind: "domain", domain: parseTrustDomain(domain) };
  if (name === OPERATOR) return { text: plain, kind: "operator", domain: parseTrustDomain(domain) };
  if (plain.includes(ANY)) throw badSubject(text);
  return { text: parseGlobalId(plain), kind: "person", domain };
}

/** How a grant for somebody is addressed: by its name, when its domain vouches for that. */
export function subjectFor(principal: Principal): string {
  const { kind, foreignKind, trustDomain, name } = principal;
  if (kind !== "foreign") return name;
  if (foreignKind === "coordinator") return `${OPERATOR}@${trustDomain}`;
  return name.endsWith(`@${trustDomain}`) ? name : `'${ANY}@${trustDomain}'`;
}

/** What a record of the book says about whom it is for. */
export interface GrantTarget {
  readonly subject: string;
  /** Key of a local person: then nothing else counts. */
  readonly nodeId?: NodeId;
}

/** The place of a record in the index of the book. */
export function indexKeyOf({ subject, nodeId }: GrantTarget): string {
  return nodeId === undefined ? subject : keyOfNode(nodeId);
}

/** All places of the index at which grants for this principal are: the rule of matching itself. */
export function indexKeysFor(principal: Principal): readonly string[] {
  const { kind, foreignKind, trustDomain, name, nodeId } = principal;
  const everybody = [`${ANY}@${trustDomain}`, EVERYBODY];
  if (kind === "person") return [keyOfNode(nodeId), ...everybody];
  if (kind !== "foreign") return [];
  if (foreignKind === "coordinator") return [`${OPERATOR}@${trustDomain}`, ...everybody];
  if (foreignKind !== "person") return [];
  const at = name.indexOf("@");
  // The name's domain must be the one that vouches for it, and nobody is called like an operator.
  const isOwn = name.slice(at + 1) === trustDomain && name.slice(0, at) !== OPERATOR;
  return isOwn && at > 0 ? [name, ...everybody] : everybody;
}

/** No subject begins like this: a name never has two `@`, nor begins with one. */
function keyOfNode(nodeId: NodeId): string {
  return `@${nodeId}`;
}

function badSubject(text: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", {
    message: `${JSON.stringify(text.slice(0, 80))} is nobody to give a grant to`,
    hint: "Write carol@office.carol, *@garage.bob, *@*, or operator@garage.bob.",
  });
}

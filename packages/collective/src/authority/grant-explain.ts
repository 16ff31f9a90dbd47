/**
 * Why somebody may, or may not, do something: which grant decided, which others were looked at, and
 * what would change it. For people of this member, people and operators of peers, and everybody of
 * a domain.
 */
import { type Clock, MeshError, type NodeId, type TrustDomain } from "@hearthmesh/core";
import {
  formatGrant,
  type Grant,
  type IdentityRecord,
  isDeniedBelow,
  isGrantPath,
  isVisible,
  isWithin,
  type Principal,
  type Right,
} from "@hearthmesh/identity";
import { KV_ROOT } from "../key-value/keys.js";
import type { GrantBook, KnownGrant } from "./grant-book.js";
import { decideHeld, mergeHeld } from "./grant-merge.js";
import type { Subject } from "./grant-subject.js";
import { type SubjectView, whoIsMeant } from "./grant-target.js";
import { compareVerdicts, type Question, quoted, verdictOf, wordsOf } from "./grant-verdicts.js";

/** Grants in one explanation; those that matter come first. */
const EXPLAINED_MAX = 32;

export interface ExplainedGrant {
  /** As people write it. */
  readonly text: string;
  readonly origin: KnownGrant["origin"];
  /** Of the book. */
  readonly id?: string;
  /** For whom it was made, when that is a whole domain. */
  readonly subject?: string;
  /** Name of the person who passed it on. */
  readonly givenBy?: string;
  readonly verdict: string;
}

export interface GrantExplanation {
  readonly subject: string;
  readonly path: string;
  readonly right: Right;
  readonly allowed: boolean;
  /** One sentence. */
  readonly reason: string;
  /** Until when, when it is allowed and ends. */
  readonly notAfterMs?: number;
  readonly decidedBy?: ExplainedGrant;
  readonly others: readonly ExplainedGrant[];
  /** What else somebody should know who asks this. */
  readonly notes: readonly string[];
  /** What would change it. */
  readonly advice: readonly string[];
}

export interface ExplainContext {
  readonly book: Pick<GrantBook, "heldBy" | "earlierFor">;
  readonly view: SubjectView;
  readonly clock: Clock;
}

interface Asked extends Question {
  readonly subject: string;
  readonly principal: Principal;
  /** Why nobody of this name gets in at all; then no grant counts. */
  readonly shutOut?: { readonly reason: string; readonly advice: string };
  readonly notes: readonly string[];
}

/** `MESH_BAD_REQUEST`, `MESH_PATH_INVALID`. */
export function explainGrant(
  context: ExplainContext,
  subject: string,
  path: string,
  right: Right,
): GrantExplanation {
  if (!isGrantPath(path)) {
    throw new MeshError("MESH_PATH_INVALID", {
      message: `${JSON.stringify(path.slice(0, 80))} is not a path in its plain form`,
    });
  }
  const nowMs = context.clock.nowMs();
  const asked = { ...whoAsks(context, subject, nowMs), path, right, nowMs };
  if (path.startsWith("/@")) return answered(asked, false, elsewhere(path));
  if (isWithin("/.copies", path)) return answered(asked, false, copies(path));
  if (asked.shutOut === undefined && asked.principal.kind === "coordinator") {
    return answered(asked, true, { reason: `${asked.subject} is the operator of this member` });
  }
  return judged(context, asked);
}

function judged(context: ExplainContext, asked: Asked): GrantExplanation {
  const { principal, path, right, nowMs, shutOut } = asked;
  const held = context.book.heldBy(principal);
  const decision = decideHeld(held, path, right, nowMs);
  const looked = held.flatMap((one) => {
    const verdict = verdictOf(one, decision.held, asked);
    return verdict === undefined ? [] : [{ one, verdict }];
  });
  const earlier = context.book
    .earlierFor(principal)
    .filter(({ grant }) => isWithin(grant.path, path))
    .map((one) => ({ one, verdict: "earlier peer" as const }));
  const explained = [...looked, ...earlier]
    .sort((a, b) => compareVerdicts(a.verdict, b.verdict))
    .slice(0, EXPLAINED_MAX)
    .map(({ one, verdict }) => ({
      verdict,
      grant: view(context, one, wordsOf(verdict, one.grant, asked, decision.held?.grant)),
    }));
  const decidedBy = explained.find(({ verdict }) => verdict === "decides")?.grant;
  const others = explained.filter(({ verdict }) => verdict !== "decides");
  const allowed = decision.allowed && shutOut === undefined;
  const { notAfterMs } = decision;
  return {
    ...answered(asked, allowed, {
      reason: shutOut?.reason ?? reasonOf(asked, decision.held, others.at(0)?.verdict),
      advice:
        shutOut === undefined
          ? adviceFor(asked, decision.held, decision.allowed)
          : [shutOut.advice],
    }),
    ...(allowed && notAfterMs !== undefined ? { notAfterMs } : {}),
    ...(decidedBy === undefined ? {} : { decidedBy }),
    others: others.map(({ grant }) => grant),
    notes: [...asked.notes, ...notesOn(asked, mergeHeld(held, nowMs).grants, allowed)],
  };
}

function answered(
  { subject, path, right, notes }: Asked,
  allowed: boolean,
  { reason, advice = [] }: { reason: string; advice?: readonly string[] },
): GrantExplanation {
  return { subject, path, right, allowed, reason, others: [], notes, advice };
}

function elsewhere(path: string) {
  const [, alias = ""] = path.split("/");
  return {
    reason: `${path} belongs to the peer ${alias.slice(1)}, whose own grants decide`,
    advice: ["Ask the operator there: `mesh grant explain` at that member."],
  };
}

/** See `copies-access.ts`: grants have no say there. */
function copies(path: string) {
  return {
    reason: `${path} is for what members keep at each other, and no grant reaches it`,
    advice: ["`mesh quota offer` gives a peer room for its copies."],
  };
}

function reasonOf(
  { subject, path, right }: Asked,
  decided: KnownGrant | undefined,
  nearly: string | undefined,
): string {
  if (decided === undefined) {
    const why: Record<string, string> = {
      ended: "; one has ended",
      "giver lost it": "; one was passed on by somebody who does not have it any more",
      "earlier peer": "; one was made for an earlier peer of this name",
    };
    return `no grant gives ${subject} ${right} on ${path}${why[nearly ?? ""] ?? ""}`;
  }
  const { path: at, effect } = decided.grant;
  const verb = effect === "allow" ? "has" : "is denied";
  const which = at === path ? "this path" : "the nearest that says so";
  return `${subject} ${verb} ${right} on ${at}, which is ${which}`;
}

function adviceFor(
  { subject, path, right }: Asked,
  decided: KnownGrant | undefined,
  allowed: boolean,
): string[] {
  const add = `mesh grant add ${shellWord(subject)} ${quoted(path, right)}`;
  if (allowed) {
    const id = decided?.record?.id;
    const take = id === undefined ? [] : [`To take it away: mesh grant remove ${id}`];
    return [...take, `To deny it here: ${add} --deny`];
  }
  const id = decided?.record?.id;
  if (decided === undefined) return [`To allow it: ${add}`];
  if (id !== undefined) return [`To allow it: mesh grant remove ${id}`];
  if (decided.grant.path !== path) return [`To allow it here: ${add}`];
  return [
    "The denial is of the invite and stays; a new key with another invite has its own grants.",
  ];
}

function notesOn(
  { path, right, nowMs }: Asked,
  grants: readonly Grant[],
  allowed: boolean,
): string[] {
  const notes: string[] = [];
  const isKey = path === KV_ROOT || path.startsWith(`${KV_ROOT}/`);
  if (isKey) notes.push(`For keys only grants on ${KV_ROOT} and below it count.`);
  if (allowed && isDeniedBelow(grants, path, right, nowMs)) {
    notes.push(`On a part below it ${right} is taken away: what concerns the whole is refused.`);
  }
  if (!allowed && right === "read" && isVisible(grants, path, nowMs)) {
    notes.push("The directory itself may be seen: it leads to something granted.");
  }
  return notes;
}

function view({ view }: ExplainContext, held: KnownGrant, verdict: string): ExplainedGrant {
  const { grant, origin, record, givenBy } = held;
  const giver = givenBy === undefined ? undefined : (view.identity(givenBy)?.name ?? givenBy);
  const wide = record !== undefined && /^(?:\*|operator)@/.test(record.subject);
  return {
    text: formatGrant(grant),
    origin,
    ...(record === undefined ? {} : { id: record.id }),
    ...(wide ? { subject: record.subject } : {}),
    ...(giver === undefined ? {} : { givenBy: giver }),
    verdict,
  };
}

/** Whoever is meant, as the principal that it would be with its certificate. */
function whoAsks(
  { view }: ExplainContext,
  text: string,
  nowMs: number,
): Pick<Asked, "subject" | "principal" | "shutOut" | "notes"> {
  const meant = whoIsMeant(view, text);
  if (meant.who === "local") return localAsker(view, meant.identity, nowMs);
  const { subject } = meant;
  const isOwn = subject.domain === view.trustDomain;
  const principal = imagined(subject, isOwn);
  const known = { subject: subject.text, principal, notes: notesOnDomain(subject, isOwn) };
  if (subject.kind === "everybody") return known;
  if (isOwn && subject.kind === "person") {
    return {
      ...known,
      shutOut: {
        reason: `nobody called ${subject.text} is enrolled here`,
        advice: "`mesh invite generate` lets somebody in.",
      },
    };
  }
  if (isOwn || view.peerSinceMs(subject.domain) !== undefined) return known;
  return {
    ...known,
    shutOut: {
      reason: `${subject.domain} is no peer: nobody with its certificates gets in`,
      advice: "`mesh peer list` shows the peers; `mesh peer invite` makes a new one.",
    },
  };
}

function localAsker(view: SubjectView, identity: IdentityRecord, nowMs: number) {
  const { kind, name, nodeId, spiffeId, serial, certificateNotAfterMs: notAfterMs } = identity;
  const { trustDomain } = view;
  const principal: Principal = { kind, name, nodeId, spiffeId, serial, notAfterMs, trustDomain };
  const ended = new Date(notAfterMs).toISOString();
  const notes = [
    ...(kind === "node" ? ["Nodes have roles and no grants."] : []),
    ...(nowMs > notAfterMs
      ? [`Its certificate has ended on ${ended}; it gets in with a new one.`]
      : []),
  ];
  const known = { subject: name, principal, notes };
  if (!view.isRevoked(nodeId)) return known;
  const { revokedAtMs } = identity;
  const reason =
    revokedAtMs === undefined
      ? `${name} was let in by somebody who was revoked`
      : `${name} was revoked on ${new Date(revokedAtMs).toISOString()}`;
  return { ...known, shutOut: { reason, advice: "It needs a new key and a new invite." } };
}

function notesOnDomain({ kind, text }: Subject, isOwn: boolean): string[] {
  if (kind === "person" && !isOwn) {
    return ["Whether the peer has revoked its key is checked when it calls."];
  }
  if (kind !== "domain" && kind !== "everybody") return [];
  return [`Somebody of ${text} may have grants of its own besides.`];
}

/** Nobody has this key: it finds what is there for the name or the domain. */
function imagined(subject: Subject, isOwn: boolean): Principal {
  const { kind, domain, text } = subject;
  const foreignKind = kind === "operator" ? ("coordinator" as const) : ("person" as const);
  const isPlain = kind === "person" || kind === "operator";
  const base = {
    spiffeId: `spiffe://${domain}/${foreignKind}/${text}`,
    // What is for everybody is for a domain of no name too.
    trustDomain: (kind === "everybody" ? "" : domain) as TrustDomain,
    name: isPlain ? text : "",
    nodeId: "" as NodeId,
    serial: "",
    notAfterMs: Number.POSITIVE_INFINITY,
  };
  if (isOwn && kind === "operator") return { ...base, kind: "coordinator" };
  if (isOwn || kind === "everybody") return { ...base, kind: "person" };
  return { ...base, kind: "foreign", foreignKind };
}

function shellWord(text: string): string {
  return text.includes("*") ? `'${text}'` : text;
}

/** What leaves the machine of a record: each field by its name, so that a new one stays inside. */
import type { Entry, Layout, LayoutNode, NodeInfo } from "@hearthmesh/collective";
import type { Grant, IdentityRecord, InviteRecord, RevocationEntry } from "@hearthmesh/identity";
import type {
  EntryView,
  Grant as GrantView,
  IdentityView,
  InviteState,
  InviteView,
  LayoutResponse,
  NodeView,
} from "../contracts/index.js";

export function entryView(entry: Entry): EntryView {
  const { path, name, kind, fileId, sizeBytes, createdAtMs, modifiedAtMs, owner, etag } = entry;
  return { path, name, kind, fileId, sizeBytes, createdAtMs, modifiedAtMs, owner, etag };
}

export function grantView(grant: Grant): GrantView {
  const { path, rights, effect, notAfterMs } = grant;
  const view = { path, rights: [...rights], effect };
  return notAfterMs === undefined ? view : { ...view, notAfterMs };
}

export function nodeView(node: NodeInfo): NodeView {
  const { nodeId, name, memberId, version, state, lastSeenMs, storage, drainChunksLeft } = node;
  const roles = [...node.roles];
  const addresses = [...node.addresses];
  const left = drainChunksLeft === undefined ? {} : { drainChunksLeft };
  const view = { nodeId, name, memberId, roles, addresses, version, state, lastSeenMs, ...left };
  return storage === undefined ? view : { ...view, storage: { ...storage } };
}

export function layoutView(layout: Layout): LayoutResponse {
  const { version, replicas, acks } = layout;
  const nodes = layout.nodes.map(layoutNodeView);
  return { v: 1, version, replicas, nodes, ...(acks === undefined ? {} : { acks }) };
}

function layoutNodeView(node: LayoutNode) {
  const { nodeId, name, zone, capacityBytes, chosen, drainingFromBytes } = node;
  const { easedFromBytes, quarantined } = node;
  return {
    nodeId,
    name,
    zone: { memberId: zone.memberId, site: zone.site },
    capacityBytes,
    ...(chosen === undefined ? {} : { chosen: [...chosen] }),
    ...(drainingFromBytes === undefined ? {} : { drainingFromBytes }),
    ...(easedFromBytes === undefined ? {} : { easedFromBytes }),
    ...(quarantined === undefined ? {} : { quarantinedAtMs: quarantined.atMs }),
  };
}

/** A revoked invite stays revoked, a used up one used: only an open one can expire. */
function inviteState(invite: InviteRecord, nowMs: number): InviteState {
  if (invite.revokedAtMs !== undefined) return "revoked";
  if (invite.uses.length >= invite.maxUses) return "used";
  return invite.notAfterMs <= nowMs ? "expired" : "open";
}

export function inviteView(invite: InviteRecord, nowMs: number): InviteView {
  const { id, kind, nodeName, description, maxUses, revokedAtMs } = invite;
  return {
    id,
    kind,
    state: inviteState(invite, nowMs),
    grants: invite.grants.map(grantView),
    roles: [...invite.roles],
    ...(nodeName === undefined ? {} : { nodeName }),
    description,
    maxUses,
    uses: invite.uses.map(({ nodeId, name, atMs }) => ({ nodeId, name, atMs })),
    notAfterMs: invite.notAfterMs,
    createdAtMs: invite.createdAtMs,
    createdBy: invite.createdBy,
    ...(revokedAtMs === undefined ? {} : { revokedAtMs }),
  };
}

export function identityView(record: IdentityRecord): IdentityView {
  const { kind, spiffeId, name, nodeId, inviteId, enrolledAtMs, revokedAtMs } = record;
  return {
    kind,
    spiffeId,
    name,
    nodeId,
    roles: [...record.roles],
    grants: [...record.grants, ...(record.passedOn?.grants ?? [])].map(grantView),
    ...(inviteId === undefined ? {} : { inviteId }),
    enrolledAtMs,
    certificateNotAfterMs: record.certificateNotAfterMs,
    recoveries: record.recoveries,
    ...(revokedAtMs === undefined ? {} : { revokedAtMs }),
  };
}

export function revocationView({ nodeId, spiffeId, reason, atMs }: RevocationEntry) {
  return { nodeId, spiffeId, reason, atMs };
}

/**
 * Every endpoint of the API with its shapes: the server's routes, the OpenAPI document and the
 * clients are made from this one table. `tag` groups them in the documentation.
 */

import { AI_ENDPOINT_ENDPOINTS } from "./ai-endpoints.js";
import { BACKUP_ENDPOINTS } from "./backup.js";
import { COORDINATOR_ENDPOINTS } from "./coordinators.js";
import { COPIES_ENDPOINTS } from "./copies.js";
import type { Endpoint } from "./endpoint.js";
import { EVENT_ENDPOINTS } from "./events.js";
import * as files from "./files.js";
import { FSCK_ENDPOINTS } from "./fsck.js";
import { GRANT_ENDPOINTS } from "./grants.js";
import { HEALING_ENDPOINTS } from "./healing.js";
import { INFERENCE_ENDPOINTS } from "./inference.js";
import { KV_ENDPOINTS } from "./key-value.js";
import { KEY_ENDPOINTS } from "./keys.js";
import { LAYOUT_ENDPOINTS } from "./layout.js";
import { LOCK_ENDPOINTS } from "./locks.js";
import * as view from "./mesh.js";
import { MODEL_ENDPOINTS } from "./models.js";
import { OPENAI_ENDPOINTS } from "./openai.js";
import { PEER_ENDPOINTS, PEER_ENROLMENT_ENDPOINTS } from "./peers.js";
import { POOL_ENDPOINTS, POOL_ENROLMENT_ENDPOINTS } from "./pools.js";
import { RING_ENDPOINTS } from "./rings.js";
import { SERVICE_ENDPOINTS } from "./services.js";
import * as status from "./status.js";
import { STORE_ENDPOINTS } from "./store.js";
import { TRASH_ENDPOINTS } from "./trash.js";
import * as trust from "./trust.js";
import { WORKER_ENDPOINTS } from "./workers.js";

const mesh = {
  health: {
    method: "GET",
    path: "/health",
    tag: "health",
    summary: "All health checks",
    response: status.HealthResponse,
  },
  live: {
    method: "GET",
    path: "/health/live",
    tag: "health",
    summary: "200 while the process answers",
    response: status.HealthResponse,
  },
  ready: {
    method: "GET",
    path: "/health/ready",
    tag: "health",
    summary: "200 when it can do its work, else 503",
    response: status.HealthResponse,
  },
  meshStatus: {
    method: "GET",
    path: "/mesh/status",
    tag: "mesh",
    summary: "Membership, discovery and relay of this node",
    response: view.MeshStatusResponse,
  },
  meshPeers: {
    method: "GET",
    path: "/mesh/peers",
    tag: "mesh",
    summary: "The other nodes: who is there, how they are reached, who found them",
    response: view.MeshPeersResponse,
  },
  meshRoutes: {
    method: "GET",
    path: "/mesh/routes",
    tag: "mesh",
    summary: "The way to every node, with next hop, cost and alternatives",
    response: view.MeshRoutesResponse,
  },
  status: {
    method: "GET",
    path: "/api/status",
    tag: "mesh",
    summary: "Health, nodes, copies and workers",
    response: status.StatusResponse,
  },
  nodes: {
    method: "GET",
    path: "/api/nodes",
    tag: "mesh",
    summary: "Nodes of this member",
    response: status.NodesResponse,
  },
  removeNode: {
    method: "DELETE",
    path: "/api/nodes/:node",
    tag: "mesh",
    summary: "Revoke a node and take it out of the layout",
    params: status.NodeParams,
    query: status.NodeRemoveQuery,
    response: status.NodeRemoveResponse,
  },
  layout: {
    method: "GET",
    path: "/api/layout",
    tag: "mesh",
    summary: "Who keeps what",
    response: status.LayoutResponse,
  },
} as const satisfies Record<string, Endpoint>;

const identity = {
  whoami: {
    method: "GET",
    path: "/api/whoami",
    tag: "trust",
    summary: "Who the caller is and what it may do",
    response: trust.WhoamiResponse,
  },
  createInvite: {
    method: "POST",
    path: "/api/invites",
    tag: "trust",
    summary: "Invite a machine or a person",
    successStatus: 201,
    query: trust.InviteCreateQuery,
    body: trust.InviteCreateRequest,
    response: trust.InviteCreateResponse,
  },
  invites: {
    method: "GET",
    path: "/api/invites",
    tag: "trust",
    summary: "All invites, without their secrets",
    response: trust.InvitesResponse,
  },
  revokeInvite: {
    method: "DELETE",
    path: "/api/invites/:invite",
    tag: "trust",
    summary: "Revoke an invite",
    params: trust.InviteParams,
    response: trust.InviteRevokeResponse,
  },
  identities: {
    method: "GET",
    path: "/api/identities",
    tag: "trust",
    summary: "Enrolled nodes and people",
    response: trust.IdentitiesResponse,
  },
  revoke: {
    method: "POST",
    path: "/api/revocations",
    tag: "trust",
    summary: "Revoke an identity; its open connections are closed",
    body: trust.RevocationRequest,
    response: trust.RevocationResponse,
  },
  revocationList: {
    method: "GET",
    path: "/api/revocation-list",
    tag: "trust",
    summary: "The signed list of revoked keys",
    response: trust.RevocationListResponse,
  },
  renew: {
    method: "POST",
    path: "/api/identity/renew",
    tag: "trust",
    summary: "A new certificate for the caller's own key",
    body: trust.RenewRequest,
    response: trust.RenewResponse,
  },
} as const satisfies Record<string, Endpoint>;

const file = {
  stat: {
    method: "GET",
    path: "/api/files/stat",
    tag: "files",
    summary: "One file or directory",
    query: files.FilePathQuery,
    response: files.FileEntryResponse,
  },
  list: {
    method: "GET",
    path: "/api/files/list",
    tag: "files",
    summary: "Entries of a directory, by name",
    query: files.FileListQuery,
    response: files.FileListResponse,
  },
  makeDirectory: {
    method: "POST",
    path: "/api/files/mkdir",
    tag: "files",
    summary: "Make a directory",
    successStatus: 201,
    body: files.FileMakeDirectoryRequest,
    response: files.FileMakeDirectoryResponse,
  },
  move: {
    method: "POST",
    path: "/api/files/move",
    tag: "files",
    summary: "Move or rename",
    body: files.FileMoveRequest,
    response: files.FileMoveResponse,
  },
  remove: {
    method: "DELETE",
    path: "/api/files",
    tag: "files",
    summary: "Remove a file, or with `recursive` a directory and all in it",
    query: files.FileRemoveQuery,
    response: files.FileRemoveResponse,
  },
  read: {
    method: "GET",
    path: "/api/files/content",
    tag: "files",
    summary: "The bytes of a file, or a range of them",
    query: files.FileReadQuery,
  },
  write: {
    method: "PUT",
    path: "/api/files/content",
    tag: "files",
    summary: "Write a file: the body is its bytes",
    query: files.FilePathQuery,
    response: files.FileWriteResponse,
  },
} as const satisfies Record<string, Endpoint>;

/** On the API doors. */
export const ENDPOINTS = {
  ...mesh,
  ...COORDINATOR_ENDPOINTS,
  ...LAYOUT_ENDPOINTS,
  ...HEALING_ENDPOINTS,
  ...EVENT_ENDPOINTS,
  ...SERVICE_ENDPOINTS,
  ...identity,
  ...PEER_ENDPOINTS,
  ...KEY_ENDPOINTS,
  ...GRANT_ENDPOINTS,
  ...file,
  ...KV_ENDPOINTS,
  ...LOCK_ENDPOINTS,
  ...BACKUP_ENDPOINTS,
  ...STORE_ENDPOINTS,
  ...WORKER_ENDPOINTS,
  ...FSCK_ENDPOINTS,
  ...TRASH_ENDPOINTS,
  ...COPIES_ENDPOINTS,
  ...POOL_ENDPOINTS,
  ...OPENAI_ENDPOINTS,
  ...INFERENCE_ENDPOINTS,
  ...MODEL_ENDPOINTS,
  ...RING_ENDPOINTS,
  ...AI_ENDPOINT_ENDPOINTS,
} as const;
export type EndpointName = keyof typeof ENDPOINTS;

/** On the enrolment door, which knows the caller by an invite or an old key. */
export const ENROLMENT_ENDPOINTS = {
  enrol: {
    method: "POST",
    path: "/enrol",
    tag: "enrolment",
    summary: "Redeem an invite",
    body: trust.EnrolRequest,
    response: trust.EnrolResponse,
  },
  hub: {
    method: "GET",
    path: "/hub",
    tag: "enrolment",
    summary: "Where the links of this hub are, for nodes that dial out to it",
    response: trust.HubContactResponse,
  },
  recover: {
    method: "POST",
    path: "/recover",
    tag: "enrolment",
    summary: "A new certificate after the old one expired",
    body: trust.RecoverRequest,
    response: trust.EnrolResponse,
  },
  ...PEER_ENROLMENT_ENDPOINTS,
  ...POOL_ENROLMENT_ENDPOINTS,
} as const satisfies Record<string, Endpoint>;

/** Checks what somebody wants an invite to say. */
import { limits, MeshError, parseNodeName } from "@hearthmesh/core";
import { checkGrant, type Endpoint, type Grant, type NodeRole } from "@hearthmesh/identity";

export interface InviteRequest {
  kind: "node" | "person";
  /** For a node; `storage` when empty. */
  roles?: readonly NodeRole[];
  /** For a person; at least one. */
  grants?: readonly Grant[];
  /** 1 when it is left out. */
  maxUses?: number;
  validityMs: number;
  description?: string;
  /** For a node: the only name that it may take. */
  nodeName?: string;
  /** Enrolment ports for the text and the link. */
  endpoints: readonly Endpoint[];
}

export interface CheckedInvite {
  readonly kind: "node" | "person";
  readonly roles: readonly NodeRole[];
  readonly grants: readonly Grant[];
  readonly maxUses: number;
  readonly description: string;
  readonly nodeName?: string;
}

const NODE_ROLES: readonly NodeRole[] = ["coordinator", "storage", "gateway", "ai"];

/**
 * Throws `MESH_BAD_REQUEST` with what is wrong. A machine that is to be a coordinator gets the keys
 * of the whole member, so its invite is for one machine, and the store must allow for several.
 */
export function checkInviteRequest(
  request: InviteRequest,
  severalCoordinators = false,
): CheckedInvite {
  const { kind, validityMs, nodeName, maxUses = 1, description = "" } = request;
  if (kind !== "node" && kind !== "person") throw bad("an invite is for a node or a person");
  checkWhole("uses", maxUses, limits.INVITE_USES_MAX);
  checkWhole("validity in milliseconds", validityMs, limits.INVITE_VALIDITY_MS_MAX);
  checkDescription(description);
  if (request.endpoints.length > limits.INVITE_ENDPOINTS_MAX) {
    throw bad(`an invite names at most ${limits.INVITE_ENDPOINTS_MAX} addresses`);
  }
  const roles = checkRoles(kind, request.roles ?? []);
  if (roles.includes("coordinator")) checkCoordinator(maxUses, severalCoordinators);
  const grants = checkGrants(kind, request.grants ?? []);
  const checked = { kind, roles, grants, maxUses, description };
  if (nodeName === undefined) return checked;
  if (kind !== "node" || maxUses !== 1) {
    throw bad("a name can be fixed only for one node, with one use");
  }
  return { ...checked, nodeName: parseNodeName(nodeName) };
}

function checkRoles(kind: "node" | "person", roles: readonly NodeRole[]): readonly NodeRole[] {
  if (kind === "person") {
    if (roles.length > 0) throw bad("roles are for nodes; a person has grants");
    return [];
  }
  const wrong = roles.find((role) => !NODE_ROLES.includes(role));
  if (wrong !== undefined) throw bad(`the role ${JSON.stringify(wrong)} does not come by invite`);
  return roles.length === 0 ? ["storage"] : NODE_ROLES.filter((role) => roles.includes(role));
}

function checkCoordinator(maxUses: number, severalCoordinators: boolean): void {
  if (!severalCoordinators) {
    throw bad(
      "this member has its records in an embedded store, which allows one coordinator",
      "Move them to etcd first: stop the node, `mesh store migrate --from sqlite --to etcd`.",
    );
  }
  if (maxUses !== 1) throw bad("an invite for a coordinator has one use");
}

function checkGrants(kind: "node" | "person", grants: readonly Grant[]): readonly Grant[] {
  if (kind === "node") {
    if (grants.length > 0) throw bad("grants are for people; a node has roles");
    return [];
  }
  if (!grants.some((grant) => grant.effect === "allow")) {
    throw bad("an invite for a person needs a grant, such as /shared:read+write");
  }
  if (grants.length > limits.INVITE_GRANTS_MAX) {
    throw bad(`an invite has at most ${limits.INVITE_GRANTS_MAX} grants`);
  }
  return grants.map(checkGrant);
}

function checkWhole(name: string, value: number, max: number): void {
  if (!Number.isSafeInteger(value) || value < 1 || value > max) {
    throw bad(`the number of ${name} is a whole number from 1 to ${max}`);
  }
}

function checkDescription(text: string): void {
  // Lists are printed on terminals: control characters could forge lines there.
  if (Buffer.byteLength(text) > limits.DESCRIPTION_BYTES_MAX || /\p{Cc}/u.test(text)) {
    throw bad(`a description is one line of up to ${limits.DESCRIPTION_BYTES_MAX} bytes`);
  }
}

function bad(message: string, hint?: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", hint === undefined ? { message } : { message, hint });
}

/**
 * Letting a machine into a pool: a certificate request becomes a node of this member and a line of
 * the roster. One transaction checks and writes identity, name, serial, roster, audit and, when one
 * was used, the pairing code; the certificate is handed out after it. A key that is a node already
 * keeps its name and gets the role `ai` as well; a key that is in the pool already gets the same
 * again.
 */
import { MeshError, type NodeId } from "@hearthmesh/core";
import {
  checkCertificateRequest,
  type IdentityRecord,
  type NodeRole,
  type PoolRoster,
  signPoolRoster,
} from "@hearthmesh/identity";
import type { Compare, Operation } from "@hearthmesh/store";
import { nameKey, poolCodeKey, poolKey } from "./authority-keys.js";
import { type AuthorityContext, issueFor } from "./context.js";
import {
  type EnrolResult,
  identityWrites,
  refuseRevoked,
  toEnrolResult,
} from "./identity-write.js";
import { type Decision, put, unchanged } from "./ledger.js";
import {
  checkIdentityRoom,
  checkName,
  claimName,
  holderOfName,
  readIdentity,
} from "./name-claim.js";
import { checkCodeUse, countFailure, WrongProof } from "./pool-codes.js";

export interface AdmissionRequest {
  readonly poolId: string;
  readonly csrPem: string;
  /** What the machine wants to be called; when another one is called so, a number is added. */
  readonly name: string;
  /** `storage` and `gateway` beside `ai`, which it always gets. */
  readonly roles: readonly NodeRole[];
}

export interface Admitted {
  readonly enrolment: EnrolResult;
  readonly roster: PoolRoster;
}

const ROLES: readonly NodeRole[] = ["storage", "gateway", "ai"];
/** Names that are tried when one is taken. */
const NAME_ATTEMPTS_MAX = 100;

/** `by` is a SPIFFE id. See `Pools.admit`. */
export function admit(
  context: AuthorityContext,
  request: AdmissionRequest,
  by: string,
): Promise<Admitted> {
  return admitWith(context, request, async () => ({ by, compare: [], operations: [] }));
}

export async function admitByCode(
  context: AuthorityContext,
  root: string,
  request: AdmissionRequest & { code: { id: string; proof: string } },
): Promise<Admitted> {
  const { id, proof } = request.code;
  const key = poolCodeKey(id);
  try {
    return await admitWith(context, request, async (nodeId) => {
      const use = { id, proof, poolId: request.poolId, nodeId };
      const { record, ...read } = await checkCodeUse(context, root, use);
      const left = { ...record, usesLeft: record.usesLeft - 1 };
      const spend = left.usesLeft > 0 ? put(key, left) : { type: "delete" as const, key };
      const compare = [unchanged(key, { ...read, record })];
      return { by: `pool-code/${id}`, compare, operations: [spend] };
    });
  } catch (error) {
    if (error instanceof WrongProof) await countFailure(context, error.use);
    throw error;
  }
}

/** Why the machine may come in, and what that costs. */
interface Permit {
  readonly by: string;
  readonly compare: readonly Compare[];
  readonly operations: readonly Operation[];
}

async function admitWith(
  context: AuthorityContext,
  request: AdmissionRequest,
  permit: (nodeId: NodeId) => Promise<Permit>,
): Promise<Admitted> {
  const { publicKeyDer, nodeId } = await checkCertificateRequest(request.csrPem);
  const { ledger, ca, log } = context;
  const key = poolKey(request.poolId);
  const admitted = await ledger.change(async (): Promise<Decision<Admitted>> => {
    const { by, compare, operations } = await permit(nodeId);
    refuseRevoked(context, nodeId);
    const read = await ledger.read<PoolRoster>(key);
    if (read.record === undefined) throw new MeshError("MESH_POOL_UNKNOWN");
    const previous = await readIdentity(context, nodeId);
    const plan = await planNode(context, previous.record, request, nodeId);
    const certificate = await issueFor(context, { ...plan, publicKeyDer });
    const { spiffeId, serial, notAfterMs: certificateNotAfterMs } = certificate;
    const record = { ...plan, spiffeId, serial, certificateNotAfterMs };
    const claim = await claimName(context, "node", plan.name, nodeId);
    const writes = identityWrites(context, record, previous);
    const next = withMember(read.record, nodeId, plan.name);
    const roster = next === read.record ? next : signed(next, ca.privateKeyPem);
    const audit = { by, action: "pool.admit" as const, subject: `pool/${request.poolId}` };
    const detail = { node: spiffeId, nodeId, version: roster.version };
    return {
      result: { enrolment: toEnrolResult(context, record, certificate), roster },
      change: {
        compare: [...compare, ...claim.compare, ...writes.compare, unchanged(key, read)],
        operations: [...operations, ...claim.operations, ...writes.operations, put(key, roster)],
        audit: { ...audit, detail },
      },
    };
  });
  const { spiffeId } = admitted.enrolment;
  log.info("let a machine into a pool", { principal: spiffeId });
  return admitted;
}

type PlannedNode = Omit<IdentityRecord, "serial" | "spiffeId" | "certificateNotAfterMs"> & {
  readonly kind: "node";
  readonly name: string;
};

async function planNode(
  context: AuthorityContext,
  previous: IdentityRecord | undefined,
  request: AdmissionRequest,
  nodeId: NodeId,
): Promise<PlannedNode> {
  const isWanted = (role: NodeRole) => role === "ai" || request.roles.includes(role);
  if (previous !== undefined) {
    if (previous.kind !== "node") {
      throw new MeshError("MESH_ALREADY_MEMBER", {
        message: `this key belongs to ${previous.spiffeId} already`,
        hint: "A coordinator makes a pool, or is its admin; it does not ask to join one.",
      });
    }
    const roles = ROLES.filter((role) => role === "ai" || previous.roles.includes(role));
    return { ...previous, kind: "node", name: String(previous.name), roles };
  }
  checkIdentityRoom(context, "node");
  const wanted = checkName(context, "node", request.name);
  return {
    v: 1,
    kind: "node",
    name: await freeName(context, wanted, nodeId),
    nodeId,
    roles: ROLES.filter(isWanted),
    grants: [],
    recoveries: 0,
    enrolledAtMs: context.clock.nowMs(),
  };
}

/** The name, or with a number behind it when another machine has it. */
async function freeName(
  context: AuthorityContext,
  wanted: string,
  nodeId: NodeId,
): Promise<string> {
  for (let number = 1; number <= NAME_ATTEMPTS_MAX; number++) {
    const suffix = number === 1 ? "" : `-${number}`;
    const name = `${wanted.slice(0, 63 - suffix.length)}${suffix}`;
    const { holder } = await holderOfName(context, nameKey("node", name));
    if (holder === undefined || holder === nodeId) return name;
  }
  throw new MeshError("MESH_NAME_TAKEN", {
    message: `${NAME_ATTEMPTS_MAX} machines are called ${wanted} already`,
  });
}

/** At the end of the ring; a member that is there already keeps its place. */
function withMember(roster: PoolRoster, nodeId: NodeId, name: string): PoolRoster {
  if (roster.members.some((one) => one.nodeId === nodeId && one.name === name)) return roster;
  const others = roster.members.filter((one) => one.nodeId !== nodeId);
  const sequence = Math.max(...roster.members.map((one) => one.sequence), roster.version) + 1;
  return {
    ...roster,
    version: roster.version + 1,
    members: [...others, { nodeId, name, role: "member", sequence }],
    removed: roster.removed.filter((one) => one !== nodeId),
  };
}

function signed(roster: PoolRoster, caPrivateKeyPem: string): PoolRoster {
  const { v: _v, signature: _signature, ...content } = roster;
  return signPoolRoster(content, caPrivateKeyPem);
}

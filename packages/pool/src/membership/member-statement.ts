/**
 * What a member says of itself to its pool: its share and where its links are, signed with its own
 * key, which is in it and whose hash is the node id. Nobody else can say it. It is said anew, with
 * a higher sequence, only when something in it has changed.
 */
import { canonicalJson, MeshError, type NodeId } from "@hearthmesh/core";
import { nodeIdOfPublicKey, POOL_ID, verifySignature } from "@hearthmesh/identity";
import { CAPACITY_MAX, STATEMENT_ENDPOINT_LENGTH_MAX, STATEMENT_ENDPOINTS_MAX } from "./limits.js";

export interface MemberStatement {
  readonly v: 1;
  readonly poolId: string;
  readonly nodeId: NodeId;
  /** Base64 of the SPKI, DER; P-256. */
  readonly publicKey: string;
  readonly sequence: number;
  /** Whole number from 1. */
  readonly capacity: number;
  /** How often `capacity` has changed; never falls. */
  readonly capacityChanges: number;
  /** Where its links are, `host:port`, best first. */
  readonly endpoints: readonly string[];
  /** Base64 ECDSA P-256 (IEEE P1363) over the canonical JSON of the rest. */
  readonly signature: string;
}

const FIELDS = 9;

export type MemberStatementContent = Omit<
  MemberStatement,
  "v" | "nodeId" | "publicKey" | "signature"
>;

/** The key of a member: `sign` gives 64 bytes (IEEE P1363). */
export interface StatementSigner {
  /** SPKI, DER. */
  readonly publicKey: Uint8Array;
  sign(bytes: Uint8Array): Uint8Array;
}

export function signMemberStatement(
  content: MemberStatementContent,
  { publicKey, sign }: StatementSigner,
): MemberStatement {
  const nodeId = nodeIdOfPublicKey(publicKey);
  const key = Buffer.from(publicKey).toString("base64");
  const unsigned = { v: 1 as const, ...content, nodeId, publicKey: key };
  return { ...unsigned, signature: Buffer.from(sign(bytesOf(unsigned))).toString("base64") };
}

/** Of its form; the signature is not verified here, which is what takes time. */
export function isMemberStatement(value: unknown): value is MemberStatement {
  const one = (value ?? {}) as Partial<MemberStatement>;
  const { endpoints } = one;
  return (
    // No field more: it would not be signed.
    Object.keys(one).length === FIELDS &&
    one.v === 1 &&
    isText(one.poolId, POOL_ID) &&
    isText(one.nodeId, /^[a-z2-7]{52}$/) &&
    isText(one.publicKey, /^[A-Za-z0-9+/]{122}==$/) &&
    isText(one.signature, /^[A-Za-z0-9+/]{86}==$/) &&
    isWhole(one.sequence, 1, Number.MAX_SAFE_INTEGER) &&
    isWhole(one.capacity, 1, CAPACITY_MAX) &&
    isWhole(one.capacityChanges, 0, Number.MAX_SAFE_INTEGER) &&
    Array.isArray(endpoints) &&
    endpoints.length <= STATEMENT_ENDPOINTS_MAX &&
    endpoints.every(isEndpoint)
  );
}

/** `MESH_POOL_ENTRY_INVALID` unless the key in it has that id and signed it. */
export function verifyMemberStatement(statement: MemberStatement): void {
  const { signature, ...unsigned } = statement;
  const key = Buffer.from(statement.publicKey, "base64");
  const isOwn = nodeIdOfPublicKey(key) === statement.nodeId;
  if (isOwn && verifySignature(key, bytesOf(unsigned), Buffer.from(signature, "base64"))) return;
  throw new MeshError("MESH_POOL_ENTRY_INVALID", {
    message: "the statement of a member is not signed by its own key",
  });
}

/** The statement without what signing makes different each time. */
export function statementContent({ signature: _signature, ...rest }: MemberStatement): string {
  return canonicalJson(rest);
}

function bytesOf(unsigned: Omit<MemberStatement, "signature">): Uint8Array {
  return Buffer.from(`hearthmesh-pool-member-v1\n${canonicalJson(unsigned)}`, "utf8");
}

function isEndpoint(value: unknown): boolean {
  return (
    typeof value === "string" &&
    value.length <= STATEMENT_ENDPOINT_LENGTH_MAX &&
    /^[\w.:[\]%-]+:\d{1,5}$/.test(value)
  );
}

function isText(value: unknown, pattern: RegExp): boolean {
  return typeof value === "string" && pattern.test(value);
}

function isWhole(value: unknown, min: number, max: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
}

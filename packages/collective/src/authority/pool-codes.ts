/**
 * Pairing codes of pools, as the authority keeps them: never the secret itself, but the key that
 * was derived from it, which can check a proof. A code ends with its uses, its time, or after
 * `PAIRING_FAILURES_MAX` wrong proofs, whichever comes first. Whoever does not know its id cannot
 * count against it.
 */
import { limits, MeshError, type NodeId } from "@hearthmesh/core";
import {
  formatPairingCode,
  newPairingCode,
  type Principal,
  pairingKeyOf,
  pairingProofMatches,
} from "@hearthmesh/identity";
import type { Operation } from "@hearthmesh/store";
import { POOL_CODE_PREFIX, poolCodeKey } from "./authority-keys.js";
import type { AuthorityContext } from "./context.js";
import { type Decision, put, unchanged, type Versionable } from "./ledger.js";
import type { Versioned } from "./records.js";

export interface PoolCodeRecord extends Versioned {
  readonly id: string;
  readonly poolId: string;
  /** Hexadecimal; as secret as the code. */
  readonly key: string;
  readonly notAfterMs: number;
  readonly usesLeft: number;
  readonly failures: number;
  readonly createdBy: string;
}

export interface PoolCodeRequest {
  readonly poolId: string;
  readonly validityMs: number;
  readonly uses: number;
}

/** The text is for whoever asked, and nowhere kept. `MESH_LIMIT`, `MESH_BAD_REQUEST`. */
export async function makePoolCode(
  context: AuthorityContext,
  by: Principal,
  { poolId, validityMs, uses }: PoolCodeRequest,
): Promise<{ text: string; notAfterMs: number }> {
  checkWhole("validity in milliseconds", validityMs, limits.PAIRING_VALIDITY_MS_MAX);
  checkWhole("uses", uses, limits.PAIRING_USES_MAX);
  const { clock, random, ledger, records } = context;
  const code = newPairingCode(random);
  const key = poolCodeKey(code.id);
  return ledger.change(async () => {
    const nowMs = clock.nowMs();
    const kept = records.all<PoolCodeRecord>(POOL_CODE_PREFIX);
    const over = kept.filter(({ notAfterMs }) => notAfterMs < nowMs);
    if (kept.length - over.length >= limits.PAIRING_CODES_MAX) {
      throw new MeshError("MESH_LIMIT", {
        message: `there are ${limits.PAIRING_CODES_MAX} pairing codes that nobody used`,
        hint: "Use one of them, or wait until they have ended.",
      });
    }
    const notAfterMs = nowMs + validityMs;
    const record: PoolCodeRecord = {
      v: 1,
      id: code.id,
      poolId,
      key: Buffer.from(pairingKeyOf(code, poolId)).toString("hex"),
      notAfterMs,
      usesLeft: uses,
      failures: 0,
      createdBy: by.spiffeId,
    };
    const forgotten: Operation[] = over.map(({ id }) => ({ type: "delete", key: poolCodeKey(id) }));
    const audit = { by: by.spiffeId, action: "pool.pair" as const, subject: `pool/${poolId}` };
    return {
      result: { text: formatPairingCode(code), notAfterMs },
      change: {
        compare: [{ key, target: "version" as const, is: "=" as const, value: 0 }],
        operations: [...forgotten, put(key, record)],
        audit: { ...audit, detail: { code: code.id, uses, notAfterMs } },
      },
    };
  });
}

export interface CodeUse {
  readonly id: string;
  readonly proof: string;
  readonly poolId: string;
  readonly nodeId: NodeId;
}

const CODE_ID = /^[a-z2-7]{5}$/;

/**
 * The record of the code when the proof is right. `MESH_PAIRING_INVALID` alike for a code that is
 * unknown, over, used up, or of another pool, and for a wrong proof, which is counted first.
 */
export async function checkCodeUse(
  context: AuthorityContext,
  root: string,
  use: CodeUse,
): Promise<Versionable<PoolCodeRecord> & { record: PoolCodeRecord }> {
  const { ledger, clock } = context;
  if (!CODE_ID.test(use.id)) throw new MeshError("MESH_PAIRING_INVALID");
  const read = await ledger.read<PoolCodeRecord>(poolCodeKey(use.id));
  const { record } = read;
  const isGood =
    record !== undefined &&
    record.poolId === use.poolId &&
    clock.nowMs() <= record.notAfterMs &&
    record.usesLeft > 0 &&
    record.failures < limits.PAIRING_FAILURES_MAX;
  if (!isGood) throw new MeshError("MESH_PAIRING_INVALID");
  const key = Buffer.from(record.key, "hex");
  if (pairingProofMatches(use.proof, key, root, use.nodeId)) return { ...read, record };
  throw new WrongProof(use);
}

/** Told apart inside, so that it can be counted; outside it is the same error. */
export class WrongProof extends MeshError {
  readonly use: CodeUse;

  constructor(use: CodeUse) {
    super("MESH_PAIRING_INVALID");
    this.use = use;
  }
}

export async function countFailure(context: AuthorityContext, use: CodeUse): Promise<void> {
  const { ledger, log } = context;
  const key = poolCodeKey(use.id);
  await ledger.change(async (): Promise<Decision<void>> => {
    const read = await ledger.read<PoolCodeRecord>(key);
    const { record } = read;
    if (record === undefined) return { result: undefined };
    const failures = record.failures + 1;
    const subject = `pool/${record.poolId}`;
    const audit = { by: `pool-code/${use.id}`, action: "pool.pair-failed" as const, subject };
    return {
      result: undefined,
      change: {
        compare: [unchanged(key, read)],
        operations: [put(key, { ...record, failures } as PoolCodeRecord)],
        audit: { ...audit, detail: { failures } },
      },
    };
  });
  log.warn("a pairing code was tried with a wrong proof", { nodeId: use.nodeId });
}

function checkWhole(name: string, value: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= 1 && value <= max) return;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `the number of ${name} is a whole number from 1 to ${max}`,
  });
}

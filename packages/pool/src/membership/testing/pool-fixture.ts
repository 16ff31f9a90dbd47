/** A pool with a root key, and machines that speak for themselves. For tests. */

import { systemClock, systemRandom } from "@hearthmesh/core";
import {
  createMemberCa,
  generateKeyPair,
  type KeyPairPem,
  type PoolRoster,
  type PoolRosterContent,
  poolIdOf,
  poolRootOf,
  publicKeyDerOf,
  signerOf,
  signPoolRoster,
} from "@hearthmesh/identity";
import {
  type MemberStatement,
  type StatementSigner,
  signMemberStatement,
} from "../member-statement.js";

export interface TestMachine extends KeyPairPem {
  readonly name: string;
  readonly signer: StatementSigner;
}

export function testMachine(name: string): TestMachine {
  const keys = generateKeyPair();
  const publicKey = publicKeyDerOf(keys.publicKeyPem);
  return { ...keys, name, signer: { publicKey, sign: signerOf(keys.privateKeyPem) } };
}

export interface TestPool {
  readonly root: string;
  readonly poolId: string;
  readonly caKeyPem: string;
  /** The first machine is the admin; the others follow in their order. */
  roster(
    version: number,
    machines: readonly TestMachine[],
    more?: Partial<PoolRosterContent>,
  ): PoolRoster;
  statement(machine: TestMachine, sequence: number, capacity?: number): MemberStatement;
}

export async function testPool(name = "test-pool"): Promise<TestPool> {
  const tools = { clock: systemClock(), random: systemRandom() };
  const ca = await createMemberCa({ memberId: "alice", trustDomain: "home.alice", ...tools });
  const root = poolRootOf(ca.certificatePem);
  const poolId = poolIdOf(root, name);
  return {
    root,
    poolId,
    caKeyPem: ca.privateKeyPem,
    roster(version, machines, more = {}) {
      const members = machines.map((machine, at) => ({
        nodeId: machine.nodeId,
        name: machine.name,
        role: at === 0 ? ("admin" as const) : ("member" as const),
        sequence: at + 1,
      }));
      const content = { poolId, name, networkId: "test", version, createdAtMs: 1, members };
      return signPoolRoster({ ...content, removed: [], ...more }, ca.privateKeyPem);
    },
    statement(machine, sequence, capacity = 1) {
      const content = { poolId, sequence, capacity, capacityChanges: capacity === 1 ? 0 : 1 };
      return signMemberStatement({ ...content, endpoints: ["192.0.2.1:9000"] }, machine.signer);
    },
  };
}

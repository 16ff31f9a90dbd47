/** A key-value service over an engine, with people whose grants the test sets. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MeshError, type NodeId, silentLogger, type TrustDomain } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import { type Grant, type Principal, type PrincipalKind, parseGrant } from "@hearthmesh/identity";
import { memoryStore, openSqliteStore, type Store } from "@hearthmesh/store";
import { KeyValueService, type KeyValueServiceOptions } from "../key-value-service.js";

export type EngineName = "memory" | "sqlite";
export const ENGINES: readonly EngineName[] = ["memory", "sqlite"];

export interface KeyValueFixture {
  readonly store: Store;
  readonly clock: ManualClock;
  readonly service: KeyValueService;
  readonly operator: Principal;
  /** Another coordinator's service over the same store. */
  another(options?: Partial<KeyValueServiceOptions>): KeyValueService;
  person(name: string, grants: readonly string[]): Principal;
  setGrants(principal: Principal, grants: readonly string[]): void;
  revoke(principal: Principal): void;
  /** Lets time pass, and what is due in the store be done. */
  advance(durationMs: number): Promise<void>;
  dispose(): Promise<void>;
}

export async function keyValueFixture(
  engine: EngineName,
  options: Partial<KeyValueServiceOptions> = {},
): Promise<KeyValueFixture> {
  const clock = new ManualClock({ wallMs: Date.UTC(2026, 10, 21) });
  const directory = await mkdtemp(join(tmpdir(), "hearthmesh-kv-"));
  const store =
    engine === "memory"
      ? memoryStore({ clock })
      : await openSqliteStore({ directory, clock, log: silentLogger });
  const grants = new Map<string, readonly Grant[]>();
  const revoked = new Set<string>();
  const policy = {
    check({ nodeId }: Principal) {
      if (revoked.has(nodeId)) throw new MeshError("MESH_CERT_REVOKED");
    },
    grantsOf: ({ nodeId }: Principal) => grants.get(nodeId) ?? [],
  };
  const make = (more: Partial<KeyValueServiceOptions> = {}) => {
    const common = { store, policy, clock, log: silentLogger };
    return new KeyValueService({ ...common, ...options, ...more });
  };
  const service = make();
  const made = [service];
  return {
    store,
    clock,
    service,
    operator: principalOf("coordinator", "home"),
    another(more) {
      const other = make(more);
      made.push(other);
      return other;
    },
    person(name, texts) {
      const person = principalOf("person", name);
      grants.set(person.nodeId, texts.map(parseGrant));
      return person;
    },
    setGrants: ({ nodeId }, texts) => void grants.set(nodeId, texts.map(parseGrant)),
    revoke: ({ nodeId }) => void revoked.add(nodeId),
    async advance(durationMs) {
      clock.pass(durationMs);
      // Writes are answered in order: after this one, those that the clock caused are done.
      await store.transact({ success: [] });
    },
    async dispose() {
      for (const one of made) one.close();
      await store.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export function personOf(
  name: string,
  grants: readonly string[],
): Principal & { readonly grants: readonly Grant[] } {
  return { ...principalOf("person", name), grants: grants.map(parseGrant) };
}

export function principalOf(kind: PrincipalKind, name: string): Principal {
  return {
    kind,
    spiffeId: `spiffe://home.alice/${kind}/${name}`,
    trustDomain: "home.alice" as TrustDomain,
    name,
    nodeId: `node-of-${name}` as NodeId,
    serial: "01",
    notAfterMs: Number.MAX_SAFE_INTEGER,
  };
}

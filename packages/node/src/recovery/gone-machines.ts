/** The machines that restored records know. */
import type { IdentityRecord } from "@hearthmesh/identity";
import type { Store } from "@hearthmesh/store";

export interface GoneMachine {
  readonly nodeId: string;
  readonly name: string;
  readonly kind: string;
  readonly roles: readonly string[];
}

const IDENTITIES = "authority/identity/";

export async function goneMachines(store: Store): Promise<GoneMachine[]> {
  const machines: GoneMachine[] = [];
  let start = IDENTITIES;
  for (;;) {
    const page = await store.range({ start, end: `${IDENTITIES}~` });
    for (const { value } of page.entries) {
      const record = JSON.parse(Buffer.from(value).toString("utf8")) as IdentityRecord;
      const { nodeId, name, kind, roles, revokedAtMs } = record;
      if (kind === "person" || revokedAtMs !== undefined) continue;
      machines.push({ nodeId, name, kind, roles });
    }
    const last = page.entries.at(-1)?.key;
    if (!page.more || last === undefined) return machines;
    start = `${last}!`;
  }
}

/**
 * What healing changed about the member, who stopped the healer of a node, and who let it go on:
 * notes in the audit trail.
 */
import { type Actor, actorText } from "./api-keys.js";
import type { AuditAction, AuditNote } from "./audit.js";
import type { AuthorityContext } from "./context.js";

export interface HealingNote {
  readonly action: Extract<AuditAction, `healing.${string}`>;
  /** `node/<node id>`. */
  readonly subject: string;
  readonly detail?: AuditNote["detail"];
}

export class HealingAudit {
  readonly #context: Pick<AuthorityContext, "ledger">;

  constructor(context: Pick<AuthorityContext, "ledger">) {
    this.#context = context;
  }

  /** Durable when it resolves. Errors of the store pass through. */
  async note(by: Actor, { action, subject, detail }: HealingNote): Promise<void> {
    const audit: AuditNote = {
      ...{ by: actorText(by), action, subject },
      ...(detail === undefined ? {} : { detail }),
    };
    await this.#context.ledger.change(async () => ({
      result: undefined,
      change: { compare: [], operations: [], audit },
    }));
  }
}

/**
 * What of others' claims reaches the machine: records whose certificate is here; the others wait
 * until it was fetched. And the proofs of records, no more than this node can afford to verify.
 */
import type { Clock, NodeId } from "@hearthmesh/core";
import { verifyRecord } from "../record-proof.js";
import type { Claim, NodeRecord } from "../swim/messages.js";
import type { CertificateBook } from "./certificate-book.js";
import type { Counting } from "./counters.js";
import type { FloodGuard } from "./flood-guard.js";
import { CERTIFICATES_PER_REQUEST_MAX } from "./limits.js";

export interface RecordIntakeOptions {
  readonly self: { readonly nodeId: NodeId; readonly publicKey: Uint8Array };
  readonly book: CertificateBook;
  readonly guard: FloodGuard;
  readonly counting: Counting;
  readonly clock: Clock;
  /** The incarnation that the machine knows of a node. */
  incarnationOf(nodeId: NodeId): number | undefined;
  /** A record waits for a certificate. */
  onWaiting(): void;
  /** The certificate of a record that waited is here. */
  onReady(record: NodeRecord, teller: NodeId): void;
}

export class RecordIntake {
  readonly #options: RecordIntakeOptions;

  constructor(options: RecordIntakeOptions) {
    this.#options = options;
  }

  /** The claims that can be judged now. */
  admit(claims: readonly Claim[], teller: NodeId): Claim[] {
    return claims.filter((claim) => claim.kind !== "self" || this.#isReady(claim.record, teller));
  }

  /** Whether the node said so itself; `teller` brought it. */
  verify(record: NodeRecord, teller: NodeId): boolean {
    const { self, book, guard, counting } = this.#options;
    if (record.nodeId === self.nodeId) return verifyRecord(record, self.publicKey);
    const nowMs = this.#options.clock.monotonicMs();
    if (!guard.mayVerify(teller, nowMs)) {
      counting.refuse("proof-limit");
      return false;
    }
    if (book.verify(record)) return true;
    guard.sawWrongProof(teller, nowMs);
    counting.refuse("wrong-proof");
    return false;
  }

  takeCertificates(certificates: readonly Uint8Array[], from: NodeId): void {
    const { book, guard, counting, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const der of certificates.slice(0, CERTIFICATES_PER_REQUEST_MAX)) {
      if (book.has(der)) continue;
      if (!guard.mayVerify(from, nowMs)) {
        counting.refuse("proof-limit");
        return;
      }
      const nodeId = book.add(der);
      if (nodeId === undefined) {
        guard.sawWrongProof(from, nowMs);
        counting.refuse("wrong-proof");
        continue;
      }
      const pending = book.takePending(nodeId);
      if (pending !== undefined) this.#options.onReady(pending.record, pending.teller);
    }
  }

  #isReady(record: NodeRecord, teller: NodeId): boolean {
    const { self, book, counting, clock } = this.#options;
    const { nodeId, incarnation } = record;
    if (nodeId === self.nodeId || book.isUsable(nodeId)) return true;
    const known = this.#options.incarnationOf(nodeId);
    if (known !== undefined && known >= incarnation) return false;
    if (book.defer(record, teller, clock.monotonicMs())) this.#options.onWaiting();
    else counting.refuse("full");
    return false;
  }
}

/**
 * The bundle that this member gives to its peers. All coordinators hand out the same one: it lies
 * in the store, and is made anew when something in it has changed or when it has become old.
 */
import { canonicalJson, limits, MeshError } from "@hearthmesh/core";
import {
  type PeerContact,
  type RevocationList,
  type SignedTrustBundle,
  signRevocationList,
  signTrustBundle,
} from "@hearthmesh/identity";
import { BUNDLE_KEY } from "./authority-keys.js";
import type { AuthorityContext } from "./context.js";
import type { Coordinators } from "./coordinators.js";
import { put, unchanged } from "./ledger.js";
import { contactOf } from "./peers-records.js";

/** Long before it ends, so that a peer that was away for days still has one that is good. */
const RENEWED_AFTER_MS = 12 * 3_600_000;

export class OwnBundle {
  readonly #context: AuthorityContext;
  readonly #coordinators: Pick<Coordinators, "list">;

  constructor(context: AuthorityContext, coordinators: Pick<Coordinators, "list">) {
    this.#context = context;
    this.#coordinators = coordinators;
  }

  /** The newest, perhaps made just now. `MESH_STORE_BUSY` when others keep writing it. */
  async current(): Promise<SignedTrustBundle> {
    const { store, ledger, records } = this.#context;
    for (let attempt = 0; attempt < limits.AUTHORITY_ATTEMPTS_MAX; attempt++) {
      const read = await ledger.read<SignedTrustBundle>(BUNDLE_KEY);
      if (read.record !== undefined && this.#isGood(read.record)) return read.record;
      const bundle = this.#make(read.record?.sequence ?? 0);
      const operations = [put(BUNDLE_KEY, bundle)];
      const compare = [unchanged(BUNDLE_KEY, read)];
      const { succeeded, revision } = await store.transact({ compare, success: operations });
      if (!succeeded) continue;
      records.applyOperations(operations, revision);
      return bundle;
    }
    throw new MeshError("MESH_STORE_BUSY", { message: "others keep making a new trust bundle" });
  }

  #isGood(bundle: SignedTrustBundle): boolean {
    const { cache, clock, ca } = this.#context;
    const ageMs = clock.nowMs() - bundle.issuedAtMs;
    return (
      ageMs >= 0 &&
      ageMs < RENEWED_AFTER_MS &&
      bundle.revocations.epoch === cache.revocationList.epoch &&
      bundle.caCertificatesPem[0] === ca.certificatePem &&
      canonicalJson(bundle.coordinators) === canonicalJson(this.#contacts())
    );
  }

  #make(previousSequence: number): SignedTrustBundle {
    const { memberId, trustDomain, ca, clock } = this.#context;
    const issuedAtMs = clock.nowMs();
    return signTrustBundle(
      {
        trustDomain,
        memberId,
        sequence: Math.max(previousSequence + 1, issuedAtMs),
        issuedAtMs,
        caCertificatesPem: [ca.certificatePem],
        coordinators: this.#contacts(),
        revocations: this.#revocations(),
      },
      ca.privateKeyPem,
    );
  }

  /** Without the reasons, which are nobody's business outside. */
  #revocations(): RevocationList {
    const { cache, ca } = this.#context;
    const { trustDomain, epoch, issuedAtMs, entries } = cache.revocationList;
    const bare = entries.map((entry) => ({ ...entry, reason: "" }));
    return signRevocationList({ trustDomain, epoch, issuedAtMs, entries: bare }, ca.privateKeyPem);
  }

  #contacts(): PeerContact[] {
    return this.#coordinators.list().slice(0, limits.PEER_COORDINATORS_MAX).map(contactOf);
  }
}

/** What the doors need to introduce nodes of other meshes, and to be introduced to them. */
import type {
  EnrolmentLimiter,
  IntroductionProber,
  IntroductionWatch,
  NodeIdentityClaim,
} from "@hearthmesh/collective";
import type { PeerInfo } from "@hearthmesh/membership";

export interface IntroductionServices {
  /** What this node says about itself; asked each time, since its certificate is renewed. */
  self(): NodeIdentityClaim;
  /** By the node's own key: ECDSA P-256 with SHA-256, 64 bytes (IEEE P1363). */
  sign(bytes: Uint8Array): Uint8Array;
  /** Counts who asks for the identity: each answer costs a signature. */
  readonly limiter: Pick<EnrolmentLimiter, "admit">;
  readonly prober: IntroductionProber;
  readonly watch: Pick<IntroductionWatch, "stateOf" | "noteProven">;
  /** The other nodes of this member, as membership knows them. */
  peers(): readonly PeerInfo[];
}

/** For `EnrolmentLimiter`: a watch asks four times a minute, and many nodes share an address. */
export const IDENTITY_LIMITS = {
  perAddressPerMinute: 120,
  totalPerMinute: 6_000,
  what: "questions for the identity of this node",
} as const;

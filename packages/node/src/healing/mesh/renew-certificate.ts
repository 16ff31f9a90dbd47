/** Has this node's certificate renewed now; one that has ended is recovered with the old key. */
import { isMeshError, MeshError } from "@hearthmesh/core";
import type { Remedy, RemedyOutcome } from "@hearthmesh/healing";
import type { CredentialHolder } from "../../credential-holder.js";
import type { Renewal } from "../../renewal.js";
import { reasonOf } from "./text.js";

export class RenewCertificate implements Remedy {
  readonly name = "renew-certificate";
  readonly handles = ["certificate-expiring"] as const;
  readonly cost = 0.1;
  readonly risk = 0.05;
  readonly verifyWithinMs = 5_000;
  readonly rate = { count: 6, windowMs: 3_600_000 };
  readonly #renewal: Pick<Renewal, "renew">;
  readonly #credentials: Pick<CredentialHolder, "validity">;

  constructor(renewal: Pick<Renewal, "renew">, credentials: Pick<CredentialHolder, "validity">) {
    this.#renewal = renewal;
    this.#credentials = credentials;
  }

  describe(): string {
    return "ask a coordinator for a new certificate now";
  }

  blockedBy(): string | undefined {
    return undefined;
  }

  async apply(): Promise<RemedyOutcome> {
    const step = await this.#renewal.renew(true).catch((error: unknown) => {
      if (isMeshError(error)) throw error;
      throw new MeshError("MESH_UNREACHABLE", { message: reasonOf(error), cause: error });
    });
    const until = new Date(this.#credentials.validity.notAfterMs).toISOString();
    return {
      did: `the certificate was ${step === "recover" ? "recovered" : "renewed"} until ${until}`,
    };
  }
}

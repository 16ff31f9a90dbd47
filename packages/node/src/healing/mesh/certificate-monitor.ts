/** Whether this node's own certificate was renewed in time. */
import type { Clock } from "@hearthmesh/core";
import type { Fact, Monitor, Subject } from "@hearthmesh/healing";
import type { CredentialHolder } from "../../credential-holder.js";
import { CERTIFICATE_OVERDUE_PART } from "./limits.js";
import { percent, seconds } from "./text.js";

export interface CertificateMonitorOptions {
  readonly credentials: Pick<CredentialHolder, "validity" | "onChange">;
  readonly node: { readonly nodeId: string; readonly name: string };
  readonly clock: Clock;
}

export class CertificateMonitor implements Monitor {
  readonly name = "own certificate";
  readonly #options: CertificateMonitorOptions;

  constructor(options: CertificateMonitorOptions) {
    this.#options = options;
  }

  async look(): Promise<readonly Fact[]> {
    const { credentials, node, clock } = this.#options;
    const { notBeforeMs, notAfterMs } = credentials.validity;
    const nowMs = clock.nowMs();
    const leftMs = notAfterMs - nowMs;
    const part = (nowMs - notBeforeMs) / (notAfterMs - notBeforeMs);
    const name = `the certificate of ${node.name}`;
    const subject: Subject = { type: "certificate", id: node.nodeId, name };
    const values = { leftMs: Math.round(leftMs), usedPart: part };
    const symptom = "certificate-expiring";
    const until = new Date(notAfterMs).toISOString();
    if (part < 0) {
      const evidence = `it begins to hold in ${seconds(-part * (notAfterMs - notBeforeMs))} only`;
      return [{ symptom, subject, verdict: "ill", evidence, values }];
    }
    if (leftMs <= 0) {
      const evidence = `it ended at ${until}, and no other came`;
      return [{ symptom, subject, verdict: "ill", evidence, values }];
    }
    const verdict = part > CERTIFICATE_OVERDUE_PART ? "ill" : "well";
    const over = percent(Math.floor(part * 20) / 20);
    const evidence = `${over} of its life is over; it ends at ${until}`;
    return [{ symptom, subject, verdict, evidence, values }];
  }
}

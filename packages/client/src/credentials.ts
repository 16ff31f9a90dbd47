/** Certificates of a person: kept fresh without anybody having to think of it. */
import { type Clock, errorFields, isMeshError, type Logger } from "@hearthmesh/core";
import { decodePem, type KeyPairPem, parseCertificate } from "@hearthmesh/identity";
import { ApiClient, type Credentials } from "./api-client.js";
import type { CollectiveRecord } from "./collective-record.js";
import type { IdentityHome, JoinedCollective } from "./identity-home.js";
import { type RenewedCertificate, recoverCertificate, renewCertificate } from "./renew.js";

export interface LoadedCollective {
  readonly record: CollectiveRecord;
  readonly keyPair: KeyPairPem;
  readonly credentials: Credentials;
}

export interface LoadOptions {
  home: IdentityHome;
  /** Default: the current collective. */
  name?: string | undefined;
  clock: Clock;
  log: Logger;
  /**
   * `always` for `mesh identity renew`. Default `when-due`: after half of the certificate's life.
   */
  renew?: "when-due" | "always";
}

/**
 * Key and certificate for a collective. A certificate past half of its life is renewed; one that
 * has ended is replaced by proving the old key. A renewal that fails is no error while the old one
 * holds.
 */
export async function loadCollective(options: LoadOptions): Promise<LoadedCollective> {
  const { home, clock, log } = options;
  const joined = await home.collective(options.name);
  const keyPair = await home.keyPair();
  const life = lifeOf(joined.certificatePem);
  const nowMs = clock.nowMs();
  const ended = nowMs >= life.notAfterMs;
  const due = ended || nowMs >= (life.notBeforeMs + life.notAfterMs) / 2;
  if (!due && options.renew !== "always") return loaded(joined, keyPair);
  try {
    const renewed = await newCertificate(joined, keyPair, clock, ended);
    await home.saveCertificate(joined.record.name, renewed);
    return loaded({ ...joined, ...withCertificate(joined, renewed) }, keyPair);
  } catch (error) {
    if (ended || options.renew === "always") throw error;
    log.debug("certificate was not renewed yet", errorFields(error));
    return loaded(joined, keyPair);
  }
}

async function newCertificate(
  joined: JoinedCollective,
  keyPair: KeyPairPem,
  clock: Clock,
  ended: boolean,
): Promise<RenewedCertificate> {
  const { caCertificatePem, record } = joined;
  if (!ended) {
    const { credentials } = loaded(joined, keyPair);
    const addresses = record.coordinator.apiAddresses;
    const api = new ApiClient({ addresses, credentials, clock });
    try {
      return await renewCertificate(api, { keyPair, caCertificatePem, clock });
    } catch (error) {
      // Seen as expired by a server whose clock is ahead of ours: the old key still helps.
      if (!isMeshError(error, "MESH_CERT_EXPIRED")) throw error;
    } finally {
      api.close();
    }
  }
  const { enrolmentAddresses } = record.coordinator;
  return recoverCertificate({ enrolmentAddresses, caCertificatePem, keyPair, clock });
}

function loaded(joined: JoinedCollective, keyPair: KeyPairPem): LoadedCollective {
  const { record, certificatePem, caCertificatePem } = joined;
  const credentials = { keyPem: keyPair.privateKeyPem, certificatePem, caCertificatePem };
  return { record, keyPair, credentials };
}

function withCertificate(joined: JoinedCollective, renewed: RenewedCertificate) {
  const { certificatePem, certificateNotAfterMs } = renewed;
  return { certificatePem, record: { ...joined.record, certificateNotAfterMs } };
}

function lifeOf(certificatePem: string): { notBeforeMs: number; notAfterMs: number } {
  return parseCertificate(decodePem("CERTIFICATE", certificatePem));
}

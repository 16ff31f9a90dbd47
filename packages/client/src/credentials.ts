/** Certificates of a person: kept fresh without anybody having to think of it. */
import { type Clock, errorFields, isMeshError, type Logger } from "@hearthmesh/core";
import { decodePem, type KeyPairPem, parseCertificate } from "@hearthmesh/identity";
import { ApiClient, type Credentials } from "./api-client.js";
import { type CollectiveRecord, firstCoordinator } from "./collective-record.js";
import { CoordinatorFinder } from "./coordinator-finder.js";
import type { IdentityHome, JoinedCollective } from "./identity-home.js";
import { type RenewedCertificate, recoverCertificate, renewCertificate } from "./renew.js";

export interface LoadedCollective {
  readonly record: CollectiveRecord;
  readonly keyPair: KeyPairPem;
  readonly credentials: Credentials;
  /** Of the member's coordinators; what is learnt about them is kept in the home. */
  readonly finder: CoordinatorFinder;
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
  const finder = await finderOf(home, joined.record, log);
  const life = lifeOf(joined.certificatePem);
  const nowMs = clock.nowMs();
  const ended = nowMs >= life.notAfterMs;
  const due = ended || nowMs >= (life.notBeforeMs + life.notAfterMs) / 2;
  if (!due && options.renew !== "always") return { ...loaded(joined, keyPair), finder };
  try {
    const renewed = await newCertificate(joined, keyPair, { clock, finder, ended });
    await home.saveCertificate(joined.record.name, renewed);
    return { ...loaded({ ...joined, ...withCertificate(joined, renewed) }, keyPair), finder };
  } catch (error) {
    if (ended || options.renew === "always") throw error;
    log.debug("certificate was not renewed yet", errorFields(error));
    return { ...loaded(joined, keyPair), finder };
  }
}

async function finderOf(
  home: IdentityHome,
  record: CollectiveRecord,
  log: Logger,
): Promise<CoordinatorFinder> {
  const known = await home.coordinators(record.name);
  return new CoordinatorFinder(firstCoordinator(record), known, (next) =>
    home.saveCoordinators(record.name, next).catch((error: unknown) => {
      log.debug("the list of coordinators was not kept", errorFields(error));
    }),
  );
}

async function newCertificate(
  joined: JoinedCollective,
  keyPair: KeyPairPem,
  options: { clock: Clock; finder: CoordinatorFinder; ended: boolean },
): Promise<RenewedCertificate> {
  const { clock, finder, ended } = options;
  const { caCertificatePem } = joined;
  if (!ended) {
    const { credentials } = loaded(joined, keyPair);
    const api = new ApiClient({ finder, credentials, clock });
    try {
      return await renewCertificate(api, { keyPair, caCertificatePem, clock });
    } catch (error) {
      // Seen as expired by a server whose clock is ahead of ours: the old key still helps.
      if (!isMeshError(error, "MESH_CERT_EXPIRED")) throw error;
    } finally {
      api.close();
    }
  }
  const enrolmentAddresses = finder.addresses("enrolmentAddresses");
  return recoverCertificate({ enrolmentAddresses, caCertificatePem, keyPair, clock });
}

function loaded(joined: JoinedCollective, keyPair: KeyPairPem): Omit<LoadedCollective, "finder"> {
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

/**
 * The coordinator's ground: the store, the authority on it, and the coordinator's own certificate.
 */

import { createPrivateKey, createPublicKey } from "node:crypto";
import { Authority } from "@hearthmesh/collective";
import { type Clock, type Logger, MeshError, type Random } from "@hearthmesh/core";
import { createCertificateRequest, type KeyPairPem, nodeIdOfPublicKey } from "@hearthmesh/identity";
import { expectMissing, expectRevision, openSqliteStore, put, type Store } from "@hearthmesh/store";
import type { Config } from "./config/config.js";
import { certificateNames } from "./create-member.js";
import { type NodeFiles, type NodeRecord, readCertificate, readKey } from "./home.js";

export interface MemberGround {
  readonly store: Store;
  readonly authority: Authority;
  /** Greater than that of every earlier start. */
  readonly epoch: number;
}

export interface Tools {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Opens the store and the authority. On failure nothing stays open. */
export async function openMember(
  record: NodeRecord,
  files: NodeFiles,
  tools: Tools,
): Promise<MemberGround> {
  const [privateKeyPem, certificatePem] = await Promise.all([
    readKey(files.caKey),
    readCertificate(files.caCertificate),
  ]);
  const store = await openSqliteStore({ directory: files.store, ...tools });
  try {
    const { memberId, trustDomain } = record;
    const ca = { privateKeyPem, certificatePem };
    const authority = await Authority.open({ store, ca, memberId, trustDomain, ...tools });
    return { store, authority, epoch: await nextEpoch(store) };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** A certificate for the coordinator's own key; every start asks for a new one. */
export async function coordinatorCertificate(
  authority: Authority,
  config: Config,
  record: NodeRecord,
  keyPem: string,
): Promise<string> {
  const csrPem = await createCertificateRequest(keyPairOf(keyPem));
  const names = certificateNames(config, record.name);
  const { certificatePem } = await authority.enrolCoordinator({
    csrPem,
    name: record.name,
    ...names,
  });
  return certificatePem;
}

/** A key pair from its private half. */
export function keyPairOf(privateKeyPem: string): KeyPairPem {
  const key = createPublicKey(createPrivateKey(privateKeyPem));
  const publicKeyPem = key.export({ type: "spki", format: "pem" });
  const nodeId = nodeIdOfPublicKey(key.export({ type: "spki", format: "der" }));
  return { privateKeyPem, publicKeyPem: publicKeyPem.toString(), nodeId };
}

const EPOCH_KEY = "coordinator/epoch";

/**
 * Every start of a coordinator is a new leader: orders and tickets of an earlier one are refused by
 * the nodes from then on.
 */
async function nextEpoch(store: Store): Promise<number> {
  const present = await store.get(EPOCH_KEY);
  const epoch = present === undefined ? 1 : Number(Buffer.from(present.value).toString()) + 1;
  const compare =
    present === undefined
      ? expectMissing(EPOCH_KEY)
      : expectRevision(EPOCH_KEY, present.modRevision);
  const { succeeded } = await store.transact({
    compare: [compare],
    success: [put(EPOCH_KEY, Buffer.from(String(epoch)))],
  });
  if (succeeded) return epoch;
  throw new MeshError("MESH_HOME_IN_USE", { message: "another coordinator took the lead" });
}

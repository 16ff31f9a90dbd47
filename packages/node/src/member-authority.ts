/**
 * The coordinator's ground: the store, the authority on it, and the coordinator's own certificate.
 */

import { readIfThere } from "@hearthmesh/client/private-files";
import { Authority, type LeaderData } from "@hearthmesh/collective";
import { createCertificateRequest } from "@hearthmesh/identity";
import type { Store } from "@hearthmesh/store";
import { outsideAddresses } from "./addresses.js";
import type { Config } from "./config/config.js";
import {
  ElectedLeadership,
  loneLeadership,
  type MemberLeadership,
} from "./coordinators/member-leadership.js";
import { fetchMemberSecrets } from "./coordinators/member-secrets.js";
import { type MemberStore, openMemberStore } from "./coordinators/member-store.js";
import { certificateNames } from "./create-member.js";
import { type NodeFiles, type NodeRecord, readCertificate, readKey } from "./home.js";
import { keyPairOf } from "./key-pair.js";
import type { Tools } from "./tools.js";

/** Of each kind, in the record that everybody reads who looks for the leader. */
const LEADER_ADDRESSES_MAX = 16;

export interface MemberGround {
  readonly memberStore: MemberStore;
  readonly store: Store;
  readonly authority: Authority;
  readonly leadership: MemberLeadership;
  /** Of an embedded store before this process wrote to it. */
  readonly openedRevision: number | undefined;
}

/**
 * Opens the store and the authority; a machine that is to be a further coordinator asks the others
 * for the member's keys first. On failure nothing stays open.
 */
export async function openMember(
  config: Config,
  record: NodeRecord,
  files: NodeFiles,
  tools: Tools,
): Promise<MemberGround> {
  const isComplete = (await readIfThere(files.caKey)) !== undefined;
  const directions = isComplete ? undefined : await fetchMemberSecrets(record, files, tools);
  const memberStore = await openMemberStore({ config, record, directions, ...tools });
  const { store, engine } = memberStore;
  try {
    const openedRevision = engine === "sqlite" ? (await store.status()).revision : undefined;
    const [privateKeyPem, certificatePem] = await Promise.all([
      readKey(files.caKey),
      readCertificate(files.caCertificate),
    ]);
    const ca = { privateKeyPem, certificatePem };
    const { memberId, trustDomain, nodeId } = record;
    const severalCoordinators = engine === "etcd";
    const member = { store, ca, memberId, trustDomain, severalCoordinators };
    const authority = await Authority.open({ ...member, ...tools });
    const data = () => leaderData(config, record);
    const { leaseTimeMs } = config.store;
    const leadership = severalCoordinators
      ? new ElectedLeadership({ store, nodeId, data, leaseTimeMs, ...tools })
      : await loneLeadership(store, nodeId, data(), tools.log);
    return { memberStore, store, authority, leadership, openedRevision };
  } catch (error) {
    await memberStore.close();
    throw error;
  }
}

function leaderData(config: Config, { name }: NodeRecord): LeaderData {
  const { links, api, advertise } = config;
  const bounded = (door: Config["api"]) =>
    outsideAddresses(door, advertise).slice(0, LEADER_ADDRESSES_MAX);
  return { name, linkAddresses: bounded(links), apiAddresses: bounded(api) };
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

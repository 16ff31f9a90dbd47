/** `mesh join`: this machine becomes a node of a member, with an invite. */

import { enrolWithInvite } from "@hearthmesh/client/enrolment";
import { MeshError, parseNodeName, systemClock } from "@hearthmesh/core";
import { type Endpoint, generateKeyPair } from "@hearthmesh/identity";
import type { Config } from "./config/config.js";
import { type ConfigSources, loadConfig } from "./config/load.js";
import { defaultNodeName } from "./create-member.js";
import { type NodeRecord, nodeFiles, readNodeRecord, writeNode } from "./home.js";
import { lockHome } from "./home-lock.js";
import { withPreparation } from "./pool/preparation.js";

export interface JoinOptions extends ConfigSources {
  /** The invite's text or link. */
  invite: string;
  /** Name of the node; default from the configuration, else the host name. */
  name?: string | undefined;
}

/**
 * Redeems the invite and writes the node. Throws the `MESH_INVITE_*` errors,
 * `MESH_ALREADY_MEMBER` when a node lives here, `MESH_HOME_IN_USE` while one runs.
 */
export async function joinMember(options: JoinOptions): Promise<NodeRecord> {
  const { config } = loadConfig(options);
  const lock = await lockHome(config.home);
  try {
    const present = await readNodeRecord(config.home);
    if (present !== undefined) {
      throw new MeshError("MESH_ALREADY_MEMBER", {
        message: `${config.home} holds the node ${present.name} of ${present.memberId}`,
      });
    }
    return await enrolNode(await withPreparation(config), {
      invite: options.invite,
      name: options.name,
    });
  } finally {
    await lock.release();
  }
}

/** The same within a home that is locked, and that holds no node. */
export async function enrolNode(
  config: Config,
  options: { invite: string; name?: string | undefined; endpoints?: readonly Endpoint[] },
): Promise<NodeRecord> {
  const name = parseNodeName(options.name ?? config.nodeName ?? defaultNodeName());
  const keyPair = generateKeyPair();
  const enrolment = await enrolWithInvite({
    inviteText: options.invite,
    endpoints: options.endpoints ?? [],
    kind: "node",
    name,
    keyPair,
    clock: systemClock(),
  });
  const { coordinator } = enrolment;
  const record: NodeRecord = {
    v: 1,
    nodeId: keyPair.nodeId,
    // The invite may have fixed another name: the certificate says which.
    name: enrolment.spiffeId.split("/").at(-1) ?? name,
    memberId: enrolment.memberId,
    trustDomain: enrolment.trustDomain,
    roles: enrolment.roles,
    coordinator,
  };
  await writeNode(nodeFiles(config, record), record, {
    keyPem: keyPair.privateKeyPem,
    certificatePem: enrolment.certificatePem,
    caCertificatePem: enrolment.caCertificatePem,
  });
  return record;
}

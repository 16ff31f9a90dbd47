/**
 * What every node without a coordinator stands on: its certificate, whom it trusts, its links with
 * the methods that are called over them, and where the coordinators are.
 */
import type { Leader } from "@hearthmesh/collective";
import { MeshError, parseTrustDomain } from "@hearthmesh/core";
import { isForeign, type TrustBundle } from "@hearthmesh/identity";
import type { Config } from "./config/config.js";
import { CoordinatorContacts } from "./coordinators/coordinator-contacts.js";
import { leaderNewsPart } from "./coordinators/leader-news.js";
import { CredentialHolder } from "./credential-holder.js";
import { type NodeFiles, type NodeRecord, nodeFiles, readCredentials } from "./home.js";
import { keyPairOf } from "./key-pair.js";
import { LinkDoors } from "./link-doors.js";
import { MeshPart } from "./mesh/mesh-part.js";
import { MeshSecretKeeper } from "./mesh/mesh-secret-keeper.js";
import { MethodRouter } from "./method-router.js";
import { NodeTrust } from "./node-trust.js";
import type { Tools } from "./tools.js";

export interface MemberNode {
  readonly files: NodeFiles;
  readonly contacts: CoordinatorContacts;
  readonly credentials: CredentialHolder;
  readonly publicKeyPem: string;
  readonly trust: NodeTrust;
  readonly router: MethodRouter;
  readonly links: LinkDoors;
  /** Once at most: links that are opened from then on are the mesh's too. */
  openMesh(): Promise<MeshPart>;
}

/** `onLeader` is told who leads the coordinators, whenever one of them says so. */
export async function openMemberNode(
  config: Config,
  record: NodeRecord,
  tools: Tools,
  onLeader: (leader: Leader, contacts: CoordinatorContacts) => void,
): Promise<MemberNode> {
  const files = nodeFiles(config, record);
  const contacts = new CoordinatorContacts(files.record, record, tools.log);
  const credentials = new CredentialHolder(files, await readCredentials(files));
  const { keyPem, caCertificatePem } = credentials.current;
  const { publicKeyPem } = keyPairOf(keyPem);
  const bundle: TrustBundle = {
    trustDomain: parseTrustDomain(record.trustDomain),
    sequence: 1,
    caCertificatesPem: [caCertificatePem],
  };
  let mesh: MeshPart | undefined;
  const trust = await NodeTrust.open({
    ...{ home: config.home, bundle, clock: tools.clock },
    onRevoked: (nodeId) => {
      links.cut(nodeId, new MeshError("MESH_CERT_REVOKED"));
      mesh?.forget(nodeId);
    },
    onPeersChanged: () => {
      links.reloadAuthorities();
      links.recheck(isForeign);
    },
  });
  const router = new MethodRouter((principal) => trust.check(principal));
  const leaderNews = leaderNewsPart((leader) => onLeader(leader, contacts));
  for (const methods of [leaderNews, ...trust.methods()]) router.add(methods);
  const links = new LinkDoors({
    ...{ address: config.links, credentials, publicKeyPem, router },
    principalOf: (certificates) => trust.principalOf(certificates),
    foreignAuthoritiesPem: () => trust.foreignAuthoritiesPem(),
    self: () => {
      throw new MeshError("MESH_INTERNAL", {
        message: "this node has no use for a link to itself",
      });
    },
    onOpened: (link, origin) => mesh?.adopt(link, origin),
    ...tools,
  });
  const openMesh = async () => {
    const { random, log } = tools;
    const secret = { path: files.meshSecret, isCoordinator: false, random, log };
    mesh = new MeshPart({
      ...{ config, record, credentials, publicKeyPem, files, bundle, doors: links },
      secrets: await MeshSecretKeeper.open(secret),
      isRevoked: (nodeId) => trust.isRevoked(nodeId),
      ...tools,
    });
    for (const methods of mesh.methods()) router.add(methods);
    return mesh;
  };
  return { files, contacts, credentials, publicKeyPem, trust, router, links, openMesh };
}

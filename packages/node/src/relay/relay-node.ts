/**
 * The parts of a node that does nothing but relay (`mesh-relay`): links, the mesh, and streams that
 * it passes on between nodes of its member. It keeps no files and serves no HTTP; what it passes on
 * is TLS between the ends, of which it has no key.
 */
import { MeshError, type NodeId, parseTrustDomain, type Startable } from "@hearthmesh/core";
import { isForeign, type TrustBundle } from "@hearthmesh/identity";
import type { Config } from "../config/config.js";
import { CoordinatorContacts } from "../coordinators/coordinator-contacts.js";
import { leaderNewsPart } from "../coordinators/leader-news.js";
import { CredentialHolder } from "../credential-holder.js";
import { type NodeRecord, nodeFiles, readCredentials } from "../home.js";
import { keyPairOf } from "../key-pair.js";
import { LinkDoors } from "../link-doors.js";
import { MeshPart } from "../mesh/mesh-part.js";
import { MeshSecretKeeper } from "../mesh/mesh-secret-keeper.js";
import { MethodRouter } from "../method-router.js";
import { NodeTrust } from "../node-trust.js";
import { renewalFrom } from "../renewal-from.js";
import type { Tools } from "../tools.js";
import { RelayReport } from "./relay-report.js";

/** In the order in which they start. */
export async function relayNode(
  config: Config,
  record: NodeRecord,
  tools: Tools,
): Promise<Startable[]> {
  const files = nodeFiles(config, record);
  const contacts = new CoordinatorContacts(files.record, record, tools.log);
  const credentials = new CredentialHolder(files, await readCredentials(files));
  const { keyPem, caCertificatePem } = credentials.current;
  const bundle: TrustBundle = {
    trustDomain: parseTrustDomain(record.trustDomain),
    sequence: 1,
    caCertificatesPem: [caCertificatePem],
  };
  const trust = await NodeTrust.open({
    home: config.home,
    bundle,
    clock: tools.clock,
    onRevoked: (nodeId) => {
      links.cut(nodeId, new MeshError("MESH_CERT_REVOKED"));
      mesh.forget(nodeId);
    },
    onPeersChanged: () => {
      links.reloadAuthorities();
      links.recheck(isForeign);
    },
  });
  const router = new MethodRouter((principal) => trust.check(principal));
  router.add(leaderNewsPart((leader) => void contacts.heardOf(leader)));
  for (const methods of trust.methods()) router.add(methods);
  const { publicKeyPem } = keyPairOf(keyPem);
  const links = new LinkDoors({
    address: config.links,
    credentials,
    publicKeyPem,
    router,
    principalOf: (certificates) => trust.principalOf(certificates),
    foreignAuthoritiesPem: () => trust.foreignAuthoritiesPem(),
    self: () => {
      throw new MeshError("MESH_INTERNAL", { message: "a relay has no use for itself" });
    },
    onOpened: (link, origin) => mesh.adopt(link, origin),
    ...tools,
  });
  const { random, log } = tools;
  const secret = { path: files.meshSecret, isCoordinator: false, random, log };
  const secrets = await MeshSecretKeeper.open(secret);
  const isRevoked = (nodeId: NodeId) => trust.isRevoked(nodeId);
  const shared = { config, record, credentials, publicKeyPem, files, bundle, isRevoked, secrets };
  const mesh = new MeshPart({ ...shared, doors: links, ...tools });
  for (const methods of mesh.methods()) router.add(methods);
  const { relay, links: table, swim } = mesh.parts;
  const nameOf = (nodeId: NodeId) => swim.peer(nodeId)?.name;
  const report = new RelayReport({ relay, links: table, nameOf, ...tools });
  return [renewalFrom(contacts, credentials, tools), links, mesh, report];
}

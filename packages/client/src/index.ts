/**
 * `@hearthmesh/client`: everything that a program needs to use a collective from outside.
 *
 * - `enrolWithInvite` turns an invite into a certificate; `IdentityHome` keeps both on disk;
 *   `loadCollective` gives them back with a certificate that is still good.
 * - `ApiClient` speaks the HTTP API, to a local node or to a coordinator under mutual TLS.
 * - `connectFiles` reads and writes files straight from and to the storage nodes; `HttpFiles` does
 *   the same through a local node.
 * - `KeyValueClient` and `LockClient`: what programs agree on, over an `ApiClient`.
 * - `CoordinatorFinder`: which coordinator of the member is asked; the others above go on with
 *   another when one is lost.
 *
 * ```ts
 * const home = new IdentityHome(`${os.homedir()}/.meshnet`);
 * const collective = await loadCollective({ home, clock, log: silentLogger });
 * const { files, close } = connectFiles({ collective, clock, random, log: silentLogger });
 * const { stream } = await files.read("/shared/README.txt");
 * ```
 *
 * @packageDocumentation
 */

export { inviteIdOf, parseInvite } from "@hearthmesh/identity";
export { ApiClient, type ApiClientOptions, type Credentials } from "./api-client.js";
export { backupNow, backupStatus } from "./backup.js";
export { probeCertificates } from "./certificate-probe.js";
export type { CollectiveRecord } from "./collective-record.js";
export { collectiveNames } from "./collective-record.js";
export { connectFiles, type FileConnection } from "./connect-files.js";
export {
  type CoordinatorContact,
  CoordinatorFinder,
  type KnownCoordinators,
} from "./coordinator-finder.js";
export { coordinatorPort } from "./coordinator-port.js";
export {
  explainPolicy,
  listPolicies,
  listQuotas,
  offerQuota,
  removePolicy,
  setPolicy,
  withdrawQuota,
} from "./copies.js";
export { type LoadedCollective, type LoadOptions, loadCollective } from "./credentials.js";
export { type Enrolment, type EnrolOptions, enrolWithInvite } from "./enrol.js";
export { openEnrolmentTunnel } from "./enrolment-tunnel.js";
export {
  type FederatedConnection,
  type FederatedFilesOptions,
  federateFiles,
} from "./federated-files.js";
export { FilesByWay } from "./files-by-way.js";
export { fsckReport, runFsck } from "./fsck.js";
export { addGrant, explainGrant, listGrants, removeGrant } from "./grants.js";
export {
  healingStatus,
  type IncidentsQuestion,
  listIncidents,
  pauseHealing,
  planHealing,
  resumeHealing,
  setHealingDryRun,
  showIncident,
} from "./healing.js";
export { type FileAccess, HttpFiles } from "./http-files.js";
export { fetchHubContact, type HubContact } from "./hub-contact.js";
export {
  IdentityHome,
  type IdentityRecord,
  type JoinedCollective,
  publicHalf,
} from "./identity-home.js";
export {
  addAiEndpoint,
  type InferencePart,
  type InferenceQuestion,
  inferenceStats,
  listAiEndpoints,
  removeAiEndpoint,
  streamInference,
  wholeInference,
} from "./inference.js";
export { NodeProbe, type NodeProbeOptions } from "./introduction-probe.js";
export { KeyValueClient, type KeyValueOptions } from "./key-value.js";
export type {
  Fence,
  KeyRecord,
  KeyValueChange,
  KeyValueDoor,
  KeyValueEntry,
  KeyValueEvent,
  KeyValuePage,
  Lease,
  ListOptions,
  PutOptions,
  Transaction,
  TransactionAnswer,
  TransactionCompare,
  TransactionOperation,
  TransactionResult,
  Value,
  WatchOptions,
  WatchRange,
} from "./key-value-types.js";
export {
  allowNode,
  audit,
  createKey,
  knownNodes,
  listKeys,
  registerNode,
  revokeKey,
  verifyAudit,
} from "./keys.js";
export {
  applyLayout,
  drainNode,
  layoutChanges,
  removeNode,
  revertLayout,
  stageLayout,
  undrainNode,
} from "./layout.js";
export { LockClient, type LockClientOptions, type LockOptions } from "./locks.js";
export type { HeldLock } from "./locks-held.js";
export {
  cancelModelImport,
  listModels,
  modelImport,
  modelImports,
  removeModel,
  showModel,
  startModelImport,
  uploadModel,
} from "./models.js";
export { type PeerContact, peerFinder } from "./peer-contact.js";
export { apiWay, linkWays } from "./peer-ways.js";
export { exchangeBundles, type OtherMember, redeemPeering, sayFarewell } from "./peering.js";
export {
  acceptPeer,
  invitePeer,
  listPeers,
  refreshPeer,
  removePeer,
  revokePeerInvite,
} from "./peers.js";
export { askToJoinPool, type PoolAnswer } from "./pool-join.js";
export {
  createPool,
  decidePoolRequest,
  listPoolRequests,
  listPools,
  pairPool,
  removePoolMember,
} from "./pools.js";
export {
  type RecoverOptions,
  type RenewedCertificate,
  recoverCertificate,
  renewCertificate,
} from "./renew.js";
export { benchEngine, benchLink, benchRing, planModel, rings } from "./rings.js";
export {
  addService,
  listServices,
  openTunnel,
  removeService,
  type ServiceDoor,
  type Tunnel,
  type TunnelOptions,
} from "./services.js";
export { storeMembers, storeSnapshot, storeStatus } from "./store.js";
export { emptyTrash, listTrash, restoreTrash, type TrashEmptyRequest } from "./trash.js";
export { listWorkers, runWorker, setWorker, waitForWorker } from "./workers.js";

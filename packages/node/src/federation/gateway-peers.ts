/**
 * Files of peers for this member's own people and operator, who come to this coordinator instead of
 * going there themselves: because they use its HTTP API, or because they cannot reach the peer.
 *
 * The coordinator goes with its own certificate. It calls `peer.call` at the peer for whoever asked
 * and shows the tickets with its own key. For the operator the HTTP API of the peer is a second
 * way; nobody else is taken there, because the API would take them for the operator.
 */
import {
  ApiClient,
  apiWay,
  coordinatorPort,
  linkWays,
  type PeerContact,
  peerFinder,
} from "@hearthmesh/client";
import {
  AwayFiles,
  claimFor,
  type FilesAtPeer,
  LinkPool,
  type PeerBook,
  type PeerDirectory,
  PeerFiles,
  type PeerRecord,
  type PeerWay,
  WayMemory,
} from "@hearthmesh/collective";
import { MeshError, type NodeId, type Startable, type TrustDomain } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { Link } from "@hearthmesh/qwormhole";
import type { CredentialHolder } from "../credential-holder.js";
import type { LinkDoors } from "../link-doors.js";
import { principalOf } from "../method-router.js";
import type { Tools } from "../tools.js";

export interface GatewayPeersOptions extends Tools {
  readonly nodeId: NodeId;
  readonly peers: Pick<PeerBook, "list" | "find" | "onChange">;
  readonly doors: Pick<LinkDoors, "dial">;
  readonly credentials: CredentialHolder;
}

/** What is open to one peer, whoever asks. */
interface Reach {
  record: PeerRecord;
  pool: LinkPool;
  /** Links with the certificate of before, which is good for what is under way on them. */
  retired?: LinkPool;
  finder: ReturnType<typeof peerFinder> | undefined;
  /** With the certificate that it was made with. */
  api?: { readonly client: ApiClient; readonly certificatePem: string };
}

export class GatewayPeers implements Startable {
  readonly name = "files of peers";
  readonly #options: GatewayPeersOptions;
  readonly #memory = new WayMemory();
  readonly #reaches = new Map<TrustDomain, Reach>();
  readonly #stopFollowing: () => void;

  constructor(options: GatewayPeersOptions) {
    this.#options = options;
    this.#stopFollowing = options.peers.onChange(({ trustDomain, after }) => {
      if (after === undefined) this.#forget(trustDomain);
    });
    // A link is as good as the certificate that it was opened with: the peer refuses it afterwards.
    options.credentials.onChange(() => this.#renewLinks());
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {
    this.#stopFollowing();
    const pools = [...this.#reaches.values()];
    for (const { api } of pools) api?.client.close();
    this.#reaches.clear();
    await Promise.all(pools.map(closeLinks));
  }

  /** What lies under `/@` for this principal. Others than people and the operator get nothing. */
  away(principal: Principal): AwayFiles {
    const { peers } = this.#options;
    const directory: PeerDirectory = {
      names: async () => {
        claimFor(principal);
        return peers.list().map(({ alias }) => alias);
      },
      open: async (name) => {
        claimFor(principal);
        return this.#filesAt(name, principal);
      },
    };
    return new AwayFiles(directory);
  }

  /** The files of a peer in its own paths, for this principal. */
  filesOf(trustDomain: TrustDomain, principal: Principal): PeerFiles {
    return this.#filesAt(trustDomain, principal).files;
  }

  /** A method of the peer's coordinator, with this coordinator's own certificate. */
  async callAt(
    trustDomain: TrustDomain,
    method: string,
    header: object,
    signal: AbortSignal,
  ): Promise<object> {
    const record = this.#options.peers.find(trustDomain);
    const { pool, finder } = this.#reachOf(record);
    if (finder === undefined) throw new MeshError("MESH_UNREACHABLE");
    const { memberId } = contactOf(record);
    const port = coordinatorPort({ pool, finder, memberId, clock: this.#options.clock });
    return (await port.call(method, header, undefined, { signal })).header;
  }

  #filesAt(name: string, principal: Principal): FilesAtPeer & { readonly files: PeerFiles } {
    const record = this.#options.peers.find(name);
    const { trustDomain } = record;
    const { clock, log } = this.#options;
    const ways = this.#waysTo(this.#reachOf(record), principal);
    const options = { peer: name, trustDomain, ways, memory: this.#memory, clock, log };
    return { trustDomain, files: new PeerFiles(options) };
  }

  #waysTo(reach: Reach, principal: Principal): PeerWay[] {
    const { nodeId, clock, random, log } = this.#options;
    const { pool, finder, record } = reach;
    if (finder === undefined) return [];
    const peer = contactOf(record);
    const parts = { peer, finder, pool, self: nodeId, onBehalfOf: principal };
    const ways = linkWays({ ...parts, clock, random, log });
    const isOperator = principal.kind === "coordinator";
    const api = isOperator ? this.#apiOf(reach) : undefined;
    if (api !== undefined) ways.push(apiWay(api));
    return ways.map((way) => ({
      name: way.name,
      open: async (signal) => {
        // A peer that was removed is not tried again, and nobody waits for it.
        this.#options.peers.find(record.trustDomain);
        return way.open(signal);
      },
    }));
  }

  #reachOf(record: PeerRecord): Reach {
    const { trustDomain } = record;
    const known = this.#reaches.get(trustDomain);
    if (known !== undefined) return this.#renewed(known, record);
    const pool = this.#newPool(trustDomain);
    const reach: Reach = { record, pool, finder: this.#finderOf(record) };
    this.#reaches.set(trustDomain, reach);
    return reach;
  }

  #newPool(trustDomain: TrustDomain): LinkPool {
    const { doors, clock, log } = this.#options;
    return new LinkPool({
      dial: async (address, options) =>
        requireMember(await doors.dial(address, options), trustDomain),
      clock,
      log,
    });
  }

  /** Certificates are renewed at half of their life, so links of two renewals ago are of no use. */
  #renewLinks(): void {
    for (const [trustDomain, reach] of this.#reaches) {
      void reach.retired?.close();
      reach.retired = reach.pool;
      reach.pool = this.#newPool(trustDomain);
    }
  }

  /** A newer bundle may name other addresses; links that are open stay. */
  #renewed(reach: Reach, record: PeerRecord): Reach {
    const before = JSON.stringify(contactOf(reach.record));
    reach.record = record;
    if (JSON.stringify(contactOf(record)) === before) return reach;
    reach.finder = this.#finderOf(record);
    reach.api?.client.close();
    delete reach.api;
    return reach;
  }

  #finderOf(record: PeerRecord): Reach["finder"] {
    if (record.coordinators.length === 0) return undefined;
    return peerFinder(contactOf(record), this.#options.clock);
  }

  #apiOf(reach: Reach): ApiClient | undefined {
    const { keyPem, certificatePem, caCertificatePem } = this.#options.credentials.current;
    if (reach.api?.certificatePem === certificatePem) return reach.api.client;
    reach.api?.client.close();
    const { coordinators, trustDomain, caCertificatesPem } = reach.record;
    const addresses = coordinators.flatMap(({ apiAddresses }) => apiAddresses);
    if (addresses.length === 0) return undefined;
    const client = new ApiClient({
      addresses,
      credentials: { keyPem, certificatePem, caCertificatePem },
      bundle: { trustDomain, sequence: 0, caCertificatesPem },
      clock: this.#options.clock,
    });
    reach.api = { client, certificatePem };
    return client;
  }

  /** The peer is one no longer: what is under way ends. */
  #forget(trustDomain: TrustDomain): void {
    const reach = this.#reaches.get(trustDomain);
    if (reach === undefined) return;
    this.#reaches.delete(trustDomain);
    reach.api?.client.close();
    void closeLinks(reach);
  }
}

async function closeLinks({ pool, retired }: Reach): Promise<void> {
  await Promise.all([pool.close(), retired?.close()]);
}

/** A peer names its nodes itself; a machine of anybody else is not spoken to as one of them. */
function requireMember(link: Link, trustDomain: TrustDomain): Link {
  const principal = principalOf(link.peer);
  const isMachine = principal.foreignKind === "node" || principal.foreignKind === "coordinator";
  if (principal.kind === "foreign" && isMachine && principal.trustDomain === trustDomain) {
    return link;
  }
  const error = new MeshError("MESH_CERT_UNTRUSTED", {
    message: `${link.peer.remoteAddress} is no machine of ${trustDomain}`,
  });
  link.destroy(error);
  throw error;
}

function contactOf(record: PeerRecord): PeerContact {
  const { alias, trustDomain, memberId, caCertificatesPem, coordinators } = record;
  return { alias, trustDomain, memberId, caCertificatesPem, coordinators };
}

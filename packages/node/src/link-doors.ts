/**
 * The node's links: the TLS port that others dial, the links that it dials itself, and a network in
 * memory between the parts of this process, so that a coordinator that also stores chunks talks to
 * itself in the same way as to others.
 */
import {
  type Clock,
  errorFields,
  type Logger,
  MeshError,
  type NodeId,
  type Random,
} from "@hearthmesh/core";
import { generateKeyPair, type Principal, publicKeyDerOf, signerOf } from "@hearthmesh/identity";
import {
  type Address,
  dialLink,
  type Link,
  type LinkIdentity,
  type LinkOptions,
  type LinkStream,
  linkOverStream,
  listenLinks,
  memoryTransport,
  type Peer,
  type TlsCredentials,
  tlsTransport,
} from "@hearthmesh/qwormhole";
import type { HostPort } from "./config/config.js";
import type { CredentialHolder } from "./credential-holder.js";
import { LinkPlaces } from "./federation/link-places.js";
import type { MethodRouter } from "./method-router.js";
import type { NodeTraces } from "./trace/node-traces.js";

const SELF: Address = { host: "self", port: 1 };

export interface LinkDoorsOptions {
  address: HostPort;
  credentials: CredentialHolder;
  publicKeyPem: string;
  router: MethodRouter;
  /** Who a peer is by its certificates and the host it calls from; throws to refuse. */
  principalOf(certificates: readonly Uint8Array[], host: string): Principal;
  /** CAs of other members, of whom `principalOf` may accept some. */
  foreignAuthoritiesPem?(): readonly string[];
  /** Called for every link that opens, accepted or dialled, also from this node itself. */
  onOpened?(link: Link, origin: LinkOrigin): void;
  /** This node, as its own parts see it. */
  self(): Principal;
  clock: Clock;
  random: Random;
  log: Logger;
  traces?: NodeTraces;
}

/** `self` is in memory; a relayed link runs inside a stream of another one. */
export type LinkOrigin = "accepted" | "dialled" | "relayed" | "self";

type Listening = Awaited<ReturnType<typeof listenLinks>>;

export class LinkDoors {
  readonly name = "links";
  readonly #options: LinkDoorsOptions;
  readonly #identity: LinkIdentity;
  readonly #tls: ReturnType<typeof tlsTransport>;
  readonly #memory = memoryTransport();
  readonly #open = new Set<Link>();
  readonly #places = new LinkPlaces();
  #listeners: Listening[] = [];
  /** Hosts beside the configured one. */
  readonly #alsoAt = new Set<string>();

  constructor(options: LinkDoorsOptions) {
    this.#options = options;
    const { credentials, publicKeyPem } = options;
    this.#identity = {
      publicKey: publicKeyDerOf(publicKeyPem),
      sign: signerOf(credentials.current.keyPem),
    };
    this.#tls = tlsTransport({ credentials: () => this.#tlsCredentials() });
    credentials.onChange(() => this.#tls.reload());
  }

  /** New connections are judged by the authorities of now. */
  reloadAuthorities(): void {
    this.#tls.reload();
  }

  get openLinks(): number {
    return this.#open.size;
  }

  /** Links that are open now, accepted and dialled. */
  links(): readonly Link[] {
    return [...this.#open];
  }

  async start(): Promise<void> {
    const { address, log } = this.#options;
    const onSelf = (link: Link) => this.#keep(link, "self");
    this.#listeners.push(
      await listenLinks(this.#memory, SELF, this.#selfOptions(this.#otherSelf()), onSelf),
    );
    try {
      this.#listeners.push(await this.#listen(address));
    } catch (cause) {
      throw listenError(cause, address);
    }
    log.info("links are open", { listenAddress: `${address.host}:${address.port}` });
  }

  /**
   * Listens at another host too, with the same port, such as the address of an overlay. Once it
   * does, it stays so, also while the host is away for a time. Does nothing where it listens
   * already. Rejects while the system does not have that host, or with another failure.
   */
  async openAt(host: string): Promise<void> {
    const { address, log } = this.#options;
    const isOpen = this.#listeners.length > 0;
    if (!isOpen || address.host === "::" || address.host === host || this.#alsoAt.has(host)) return;
    this.#alsoAt.add(host);
    try {
      const listening = await this.#listen({ host, port: address.port });
      // The node may have begun to stop meanwhile.
      if (this.#listeners.length === 0) return await listening.close();
      this.#listeners.push(listening);
    } catch (error) {
      this.#alsoAt.delete(host);
      throw error;
    }
    log.info("links are open at another address", { listenAddress: `[${host}]:${address.port}` });
  }

  #listen(address: Address): Promise<Listening> {
    const { log } = this.#options;
    const onLink = (link: Link) => {
      if (this.#places.take(link)) this.#keep(link, "accepted");
    };
    const onRefused = (error: Error, peerAddress: string) => {
      const isOwn = (error as { code?: unknown }).code === "QW_SELF_CONNECT";
      const tell = isOwn ? log.debug.bind(log) : log.info.bind(log);
      // Why this node itself refused somebody stands in the cause.
      tell("link refused", { peerAddress, ...errorFields(error.cause ?? error) });
    };
    return listenLinks(this.#tls, address, this.#networkOptions(), onLink, onRefused);
  }

  async stop(): Promise<void> {
    const listeners = this.#listeners;
    this.#listeners = [];
    this.#alsoAt.clear();
    await Promise.all(listeners.map((listener) => listener.close()));
    await Promise.all([...this.#open].map((link) => link.close("the node is stopping")));
  }

  /** A link to another node; refused unless that node answers. */
  async dial(
    address: Address,
    options: { expectedNodeId?: string; signal?: AbortSignal },
  ): Promise<Link> {
    const dialled = { ...this.#networkOptions(), ...options };
    return dialLink(this.#tls, address, dialled, (link) => this.#keep(link, "dialled"));
  }

  /** A link inside a stream that relays pass on; refused unless that node answers. */
  dialOver(
    stream: LinkStream,
    options: { expectedNodeId: NodeId; signal?: AbortSignal },
  ): Promise<Link> {
    return this.#linkOver(stream, "dialer", options);
  }

  /** The accepting end of `dialOver`. */
  acceptOver(stream: LinkStream): Promise<Link> {
    return this.#linkOver(stream, "listener", {});
  }

  #linkOver(
    stream: LinkStream,
    side: "dialer" | "listener",
    options: { expectedNodeId?: NodeId; signal?: AbortSignal },
  ): Promise<Link> {
    const credentials = () => this.#tlsCredentials();
    const over = { ...this.#networkOptions(), credentials, ...options };
    return linkOverStream(stream, side, over, (link) => this.#keep(link, "relayed"));
  }

  #tlsCredentials(): TlsCredentials {
    const { keyPem, certificatePem, caCertificatePem } = this.#options.credentials.current;
    const foreign = this.#options.foreignAuthoritiesPem?.() ?? [];
    return { keyPem, certificatePem, caPem: [caCertificatePem, ...foreign] };
  }

  /** A link from this node to itself, without a network. */
  async dialSelf(): Promise<Link> {
    const link = await dialLink(this.#memory, SELF, this.#selfOptions(this.#identity));
    this.#track(link);
    return link;
  }

  /** Ends every link of a peer, such as one that was revoked. */
  cut(nodeId: string, error: Error): void {
    for (const link of this.#open) {
      if (link.peer.nodeId === nodeId) link.destroy(error);
    }
  }

  /** Judges the peers of open links anew, and ends the links of those that are refused now. */
  recheck(isConcerned: (principal: Principal) => boolean): number {
    let count = 0;
    for (const link of this.#open) {
      const { certificates, remoteAddress, identity } = link.peer;
      if (!isConcerned(identity as Principal)) continue;
      try {
        this.#options.principalOf(certificates, hostOf(remoteAddress));
      } catch (error) {
        link.destroy(error instanceof Error ? error : new Error(String(error)));
        count++;
      }
    }
    return count;
  }

  #keep(link: Link, origin: LinkOrigin): void {
    this.#track(link);
    this.#options.onOpened?.(link, origin);
  }

  #track(link: Link): void {
    this.#open.add(link);
    void link.closed.then(() => this.#open.delete(link));
  }

  #networkOptions(): LinkOptions {
    const { router, clock, random, principalOf, traces } = this.#options;
    return {
      traces: traces?.links,
      identity: this.#identity,
      handlers: router.handlers,
      clock,
      random,
      verifyPeer: (peer: Omit<Peer, "identity">) => {
        const principal = principalOf(peer.certificates, hostOf(peer.remoteAddress));
        if (principal.nodeId === peer.nodeId) return principal;
        throw new MeshError("MESH_CERT_UNTRUSTED", {
          message: "the key of the link is not the key of the certificate",
        });
      },
    };
  }

  #selfOptions(identity: LinkIdentity): LinkOptions {
    const { router, clock, random, self, traces } = this.#options;
    const options = { identity, handlers: router.handlers, clock, random };
    return { ...options, verifyPeer: () => self(), traces: traces?.links };
  }

  /** A link never joins a key to itself, so the accepting end in memory has a key of its own. */
  #otherSelf(): LinkIdentity {
    const keys = generateKeyPair();
    return { publicKey: publicKeyDerOf(keys.publicKeyPem), sign: signerOf(keys.privateKeyPem) };
  }
}

/**
 * `192.168.1.9:4711` without its port; a relayed link has the name of its relay, and no address.
 */
function hostOf(remoteAddress: string): string {
  return remoteAddress.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
}

function listenError(cause: unknown, { host, port }: HostPort): unknown {
  if ((cause as { code?: unknown }).code !== "QW_ADDRESS_IN_USE") return cause;
  return new MeshError("MESH_PORT_TAKEN", {
    message: `port ${port} on ${host}, wanted for links, is in use by another program`,
    hint: "Choose another with `--link-port`, or shift all with `--port-base 100`.",
    cause,
  });
}

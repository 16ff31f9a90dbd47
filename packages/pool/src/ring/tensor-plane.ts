/**
 * The tensor plane of one member: a TLS 1.3 listener and what it dials. Both sides show
 * certificates of the member's CA; who the other side is follows from its certificate alone
 * (`createVerifier`), and it has to be the node that the plan names. Anybody else is closed before
 * a byte of theirs is looked at. While no plan is loaded, everybody is.
 */
import {
  type Clock,
  errorFields,
  isMeshError,
  type Logger,
  MeshError,
  sleep,
} from "@hearthmesh/core";
import {
  type CertificateVerifier,
  createVerifier,
  describeMemberCa,
  parseEndpoint,
} from "@hearthmesh/identity";
import {
  type Channel,
  type Listener,
  type TlsCredentials,
  type TlsTransport,
  tlsTransport,
} from "@hearthmesh/qwormhole";
import {
  CONNECTIONS_WAITING_MAX,
  DIAL_RETRY_MS,
  DIAL_RETRY_MS_MAX,
  HANDSHAKE_MS_MAX,
} from "./limits.js";
import type { PlaneEpoch } from "./plane-epoch.js";
import type { RingPlanMember } from "./ring-plan.js";

/** PEM; `caPem` holds the CA of the member and nothing else. */
export interface RingCredentials {
  readonly keyPem: string;
  readonly certificatePem: string;
  readonly caPem: string;
}

export interface TensorPlaneOptions {
  readonly credentials: RingCredentials;
  readonly host: string;
  /** 0: any. */
  readonly port: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class TensorPlane {
  readonly #options: TensorPlaneOptions;
  readonly #transport: TlsTransport;
  #credentials: RingCredentials;
  #verifier: CertificateVerifier;
  #listener: Listener | undefined;
  #epoch: PlaneEpoch | undefined;
  #waiting = 0;

  constructor(options: TensorPlaneOptions) {
    this.#options = options;
    this.#credentials = options.credentials;
    this.#verifier = verifierOf(options.credentials);
    this.#transport = tlsTransport({
      credentials: (): TlsCredentials => this.#credentials,
      handshakeTimeoutMs: HANDSHAKE_MS_MAX,
      halfOpenMax: CONNECTIONS_WAITING_MAX,
      onRefused: (error, peerAddress) =>
        this.#log("tensor plane: a handshake failed", peerAddress, error),
      clock: options.clock,
    });
  }

  get port(): number {
    return this.#listener?.address.port ?? 0;
  }

  async start(): Promise<void> {
    const { host, port } = this.#options;
    this.#listener = await this.#transport.listen({ host, port }, (channel) =>
      this.#onChannel(channel),
    );
  }

  /** New connections use them; open ones live on. */
  setCredentials(credentials: RingCredentials): void {
    const verifier = verifierOf(credentials);
    this.#credentials = credentials;
    this.#verifier = verifier;
    this.#transport.reload();
  }

  /** From now on its members are let in, and those before this one in the ring are dialled. */
  open(epoch: PlaneEpoch, earlier: readonly RingPlanMember[], signal: AbortSignal): void {
    this.#epoch = epoch;
    for (const [position, member] of earlier.entries()) {
      void this.#dialUntilGreeted(epoch, position, member, signal);
    }
    epoch.begin();
  }

  /** Nobody is let in any more. */
  shut(): void {
    this.#epoch = undefined;
  }

  async close(): Promise<void> {
    this.shut();
    await this.#listener?.close();
  }

  #onChannel(channel: Channel): void {
    const epoch = this.#epoch;
    let position: number | undefined;
    try {
      position = epoch?.positionOfDialler(this.#nodeIdOf(channel));
    } catch (error) {
      this.#log("tensor plane: a certificate was refused", channel.remoteAddress, error);
    }
    if (epoch === undefined || position === undefined || this.#waiting >= CONNECTIONS_WAITING_MAX) {
      channel.destroy();
      return;
    }
    this.#waiting++;
    epoch.adopt(position, channel, () => {
      this.#waiting--;
    });
  }

  #nodeIdOf(channel: Channel): string {
    const nowMs = this.#options.clock.nowMs();
    return this.#verifier.verify(channel.peerCertificates, { nowMs }).nodeId;
  }

  async #dialUntilGreeted(
    epoch: PlaneEpoch,
    position: number,
    member: RingPlanMember,
    signal: AbortSignal,
  ): Promise<void> {
    let delayMs = DIAL_RETRY_MS;
    for (let attempt = 0; !signal.aborted && this.#epoch === epoch; attempt++) {
      const endpoint = member.endpoints[attempt % member.endpoints.length];
      const ended = endpoint === undefined ? undefined : await this.#dial(endpoint, member, signal);
      if (ended !== undefined && this.#epoch === epoch) {
        await new Promise<void>((resolve) => epoch.adopt(position, ended, resolve));
        // After the greeting, the end of the connection is the end of the epoch.
        if (epoch.hasGreeted(position)) return;
      } else ended?.destroy();
      await sleep(this.#options.clock, delayMs, signal).catch(() => undefined);
      delayMs = Math.min(DIAL_RETRY_MS_MAX, delayMs * 1.5);
    }
  }

  async #dial(
    endpoint: string,
    member: RingPlanMember,
    signal: AbortSignal,
  ): Promise<Channel | undefined> {
    let channel: Channel | undefined;
    try {
      const address = parseEndpoint(endpoint);
      channel = await this.#transport.dial(address, { signal, timeoutMs: HANDSHAKE_MS_MAX });
      if (this.#nodeIdOf(channel) === member.nodeId) return channel;
      const message = `another node than ${member.name} answers there`;
      throw new MeshError("MESH_CERT_UNTRUSTED", { message });
    } catch (error) {
      channel?.destroy();
      this.#log(`tensor plane: ${member.name} was not reached`, endpoint, error);
      return undefined;
    }
  }

  #log(message: string, peerAddress: string, error: unknown): void {
    const { logger } = this.#options;
    const fields = { peerAddress, ...errorFields(error) };
    if (isMeshError(error)) logger.warn(message, fields);
    else logger.debug(message, fields);
  }
}

function verifierOf({ caPem }: RingCredentials): CertificateVerifier {
  const { trustDomain } = describeMemberCa(caPem);
  return createVerifier({ trustDomain, sequence: 0, caCertificatesPem: [caPem] });
}

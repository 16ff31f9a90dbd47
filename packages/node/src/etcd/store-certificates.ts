/**
 * The certificates of this node's etcd and of its clients, issued by the store CA that this node
 * holds itself. etcd reads the files again at every handshake, so a renewal needs no restart.
 *
 * There are two: one for etcd, with the names and addresses of this machine, for clients and peers;
 * and one without any for the daemon, because etcd refuses a client whose address is not among the
 * addresses of its certificate, and the daemon may have any address.
 */
import { isIP } from "node:net";
import { readIfThere, readPrivate, writePrivate } from "@hearthmesh/client/private-files";
import {
  type Clock,
  errorFields,
  type Logger,
  type Random,
  type Startable,
  type Timer,
} from "@hearthmesh/core";
import {
  decodePem,
  generateKeyPair,
  issueStoreCertificate,
  parseCertificate,
  publicKeyDerOf,
  type StoreCa,
} from "@hearthmesh/identity";
import type { TlsMaterial } from "@hearthmesh/store";
import { renewalStep } from "../renewal.js";
import {
  STORE_CERTIFICATE_LOOK_MS,
  STORE_CERTIFICATE_NAMES_MAX,
  STORE_CERTIFICATE_VALIDITY_MS,
} from "./limits.js";
import type { StoreFiles } from "./store-files.js";

export interface StoreCertificatesOptions {
  files: StoreFiles;
  ca: StoreCa;
  nodeName: string;
  trustDomain: string;
  /** Hosts under which others reach this machine; asked again at every look. */
  hosts: () => readonly string[];
  clock: Clock;
  random: Random;
  log: Logger;
}

export class StoreCertificates implements Startable {
  readonly name = "store certificates";
  readonly #options: StoreCertificatesOptions;
  readonly #shift: number;
  #tls: TlsMaterial | undefined;
  #hosts = "";
  #timer: Timer | undefined;
  #stopped = true;

  constructor(options: StoreCertificatesOptions) {
    this.#options = options;
    this.#shift = options.random.float();
  }

  /** Issues both certificates anew, and from then on in time. */
  async start(): Promise<void> {
    this.#stopped = false;
    await this.#issue();
    this.#lookLater();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** What clients show and trust; asked at each connection. Only after `start`. */
  tls(): TlsMaterial {
    if (this.#tls === undefined) throw new Error("the store certificates are not there yet");
    return this.#tls;
  }

  /** Renews when half of the life is over or the machine is reached under other names. */
  async look(): Promise<void> {
    const { clock, log } = this.#options;
    try {
      const validity = parseCertificate(decodePem("CERTIFICATE", this.tls().certificatePem));
      const step = renewalStep(validity, clock.nowMs(), this.#shift);
      if (step === "wait" && this.#hosts === this.#hostsNow().join(" ")) return;
      await this.#issue();
      log.info("certificates of the store renewed");
    } catch (error) {
      log.warn("the certificates of the store were not renewed", errorFields(error));
    }
  }

  #lookLater(): void {
    this.#timer = this.#options.clock.setTimeout(() => {
      void this.look().then(() => {
        if (!this.#stopped) this.#lookLater();
      });
    }, STORE_CERTIFICATE_LOOK_MS);
  }

  #hostsNow(): string[] {
    const { hosts, trustDomain } = this.#options;
    const always = ["localhost", "127.0.0.1", "::1", `store.${trustDomain}`];
    // An address with a zone means something on one machine only.
    const named = hosts().filter((host) => !host.includes("%"));
    return [...new Set([...always, ...named])].slice(0, STORE_CERTIFICATE_NAMES_MAX);
  }

  async #issue(): Promise<void> {
    const { files, ca } = this.#options;
    const hosts = this.#hostsNow();
    const [, privateKeyPem] = await Promise.all([
      ensureKey(files.serverKey),
      ensureKey(files.clientKey),
    ]);
    const server = await this.#certificate(files.serverKey, {
      dnsNames: hosts.filter((host) => isIP(host) === 0),
      ipAddresses: hosts.filter((host) => isIP(host) !== 0),
    });
    const certificatePem = await this.#certificate(files.clientKey, {});
    await writePrivate(files.serverCertificate, server);
    await writePrivate(files.clientCertificate, certificatePem);
    this.#hosts = hosts.join(" ");
    this.#tls = { caCertificatePem: ca.certificatePem, certificatePem, privateKeyPem };
  }

  async #certificate(
    keyPath: string,
    names: { dnsNames?: string[]; ipAddresses?: string[] },
  ): Promise<string> {
    const { ca, nodeName, clock, random } = this.#options;
    return issueStoreCertificate({
      ca,
      publicKeyDer: publicKeyDerOf(await readPrivate(keyPath)),
      name: nodeName,
      validityMs: STORE_CERTIFICATE_VALIDITY_MS,
      ...names,
      clock,
      random,
    });
  }
}

async function ensureKey(path: string): Promise<string> {
  if ((await readIfThere(path)) !== undefined) return readPrivate(path);
  const { privateKeyPem } = generateKeyPair();
  await writePrivate(path, privateKeyPem);
  return privateKeyPem;
}

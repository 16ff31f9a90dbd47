/**
 * The node's present key and certificates. Renewal replaces the certificate while the node runs;
 * the doors and the transport are told.
 */

import { writePrivate } from "@hearthmesh/client/private-files";
import { decodePem, parseCertificate } from "@hearthmesh/identity";
import type { NodeCredentials, NodeFiles } from "./home.js";

export class CredentialHolder {
  readonly #files: NodeFiles;
  readonly #listeners = new Set<(credentials: NodeCredentials) => void>();
  #current: NodeCredentials;

  constructor(files: NodeFiles, credentials: NodeCredentials) {
    this.#files = files;
    this.#current = credentials;
  }

  get current(): NodeCredentials {
    return this.#current;
  }

  /** Beginning and end of the present certificate, in milliseconds since 1970. */
  get validity(): { notBeforeMs: number; notAfterMs: number } {
    return parseCertificate(decodePem("CERTIFICATE", this.#current.certificatePem));
  }

  onChange(listener: (credentials: NodeCredentials) => void): void {
    this.#listeners.add(listener);
  }

  /** Durable before anybody uses it. */
  async replace(certificatePem: string): Promise<void> {
    await writePrivate(this.#files.certificate, certificatePem);
    this.#current = { ...this.#current, certificatePem };
    for (const listener of this.#listeners) listener(this.#current);
  }
}

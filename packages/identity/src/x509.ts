/**
 * The X.509 library, loaded after the polyfill that its decorators need. It writes; we read. It is
 * large, and most processes never write a certificate: import this file only with
 * `await import("./x509.js")` inside the function that writes (see docs/adr).
 */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { MeshError } from "@hearthmesh/core";
import { decodePem } from "./pem.js";

// By name: what a star brings out of a CommonJS module is known only when it runs, and a bundle in
// parts has to know before.
export {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";

export const SIGNING_ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** A private key (PKCS#8, PEM) as Web Crypto wants it. `MESH_CERT_INVALID` when it is not P-256. */
export async function importSigningKey(privateKeyPem: string): Promise<webcrypto.CryptoKey> {
  const der = decodePem("PRIVATE KEY", privateKeyPem);
  try {
    return await webcrypto.subtle.importKey("pkcs8", der, SIGNING_ALGORITHM, false, ["sign"]);
  } catch {
    // Without the cause: nothing of the key may reach a log.
    throw new MeshError("MESH_CERT_INVALID", { message: "the private key is not a P-256 key" });
  }
}

/** A public key (SPKI, DER) as Web Crypto wants it. */
export async function importVerifyingKey(spkiDer: Uint8Array): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey("spki", spkiDer, SIGNING_ALGORITHM, true, ["verify"]);
}

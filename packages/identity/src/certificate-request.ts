/**
 * Requests for a certificate (PKCS#10, RFC 2986). A request proves that its sender has the private
 * key and says nothing else: names and extensions in it are read by nobody.
 */
import { verify } from "node:crypto";
import { limits, MeshError, type NodeId } from "@hearthmesh/core";
import { checkSignatureAlgorithm } from "./certificate-parse.js";
import { bitStringBytes, DER_TAG, DerReader, readWhole } from "./der.js";
import { checkPublicKey, nodeIdOfPublicKey, publicKeyDerOf, toKeyObject } from "./keys.js";
import { decodePem, encodePem } from "./pem.js";
import type { KeyPairPem } from "./types.js";

/** A request for this key, as PEM. The name in it is for people who look at the file. */
export async function createCertificateRequest(
  keyPair: KeyPairPem,
  commonName = "hearthmesh",
): Promise<string> {
  const x509 = await import("./x509.js");
  const signingKey = await x509.importSigningKey(keyPair.privateKeyPem);
  const publicKey = await x509.importVerifyingKey(publicKeyDerOf(keyPair.publicKeyPem));
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [commonName] }],
    keys: { privateKey: signingKey, publicKey },
    signingAlgorithm: x509.SIGNING_ALGORITHM,
  });
  return encodePem("CERTIFICATE REQUEST", new Uint8Array(request.rawData));
}

export interface CheckedRequest {
  /** SPKI, DER. */
  readonly publicKeyDer: Uint8Array;
  readonly nodeId: NodeId;
}

/**
 * The key of a request whose signature was verified. Throws `MESH_CERT_INVALID` when the text is
 * too long (`CSR_BYTES_MAX`), not a request, not P-256, or not signed by the key in it.
 */
export async function checkCertificateRequest(pem: string): Promise<CheckedRequest> {
  if (typeof pem !== "string" || pem.length > limits.CSR_BYTES_MAX) {
    throw invalidRequest(`it has more than ${limits.CSR_BYTES_MAX} bytes`);
  }
  const { publicKeyDer, signedDer, signature } = parseRequest(
    decodePem("CERTIFICATE REQUEST", pem),
  );
  const key = toKeyObject(checkPublicKey(publicKeyDer));
  if (!verify("sha256", signedDer, { key, dsaEncoding: "der" }, signature)) {
    throw invalidRequest("it is not signed by the key in it");
  }
  return { publicKeyDer: Uint8Array.from(publicKeyDer), nodeId: nodeIdOfPublicKey(publicKeyDer) };
}

function parseRequest(der: Uint8Array) {
  const outer = new DerReader(readWhole(der, DER_TAG.sequence).content);
  const signed = outer.read(DER_TAG.sequence);
  checkSignatureAlgorithm(outer.read(DER_TAG.sequence));
  const signature = bitStringBytes(outer.read(DER_TAG.bitString));
  outer.end();
  const body = new DerReader(signed.content);
  body.read(DER_TAG.integer);
  body.read(DER_TAG.sequence);
  const publicKeyDer = body.read(DER_TAG.sequence).raw;
  return { publicKeyDer, signedDer: signed.raw, signature };
}

function invalidRequest(reason: string): MeshError {
  return new MeshError("MESH_CERT_INVALID", {
    message: `the certificate request is not valid: ${reason}`,
  });
}

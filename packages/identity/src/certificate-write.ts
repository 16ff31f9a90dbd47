/**
 * Writes X.509 certificates (RFC 5280) and requests for them (PKCS#10, RFC 2986). They have one
 * fixed shape, which takes fewer lines than a general library needs to be told about it, and 18 MiB
 * less memory in every process (see docs/adr). OpenSSL reads each of them in every handshake.
 */
import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import { MeshError } from "@hearthmesh/core";
import { CERTIFICATE_OIDS as OID } from "./certificate-oids.js";
import {
  derBitString,
  derCommonName,
  derInteger,
  derObjectId,
  derSequence,
  derTime,
  encodeDer,
} from "./der-write.js";

const VERSION_3 = encodeDer(0xa0, derInteger(Uint8Array.from([2])));
const REQUEST_VERSION = derInteger(Uint8Array.from([0]));
const NO_ATTRIBUTES = encodeDer(0xa0);
const EXTENSIONS_TAG = 0xa3;

export interface CertificateFields {
  /** Positive, the most significant byte first; at most 20 bytes. */
  readonly serial: Uint8Array;
  /** Names as DER (see `nameDer`). */
  readonly issuerDer: Uint8Array;
  readonly subjectDer: Uint8Array;
  /** Whole seconds count. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SPKI, DER. */
  readonly publicKeyDer: Uint8Array;
  /** As DER, see `certificate-extensions.ts`. */
  readonly extensions: readonly Uint8Array[];
}

/** `CN=<commonName>`, as certificates name their subject. */
export function nameDer(commonName: string): Uint8Array {
  return derCommonName(commonName, OID.commonName);
}

/** The certificate, signed with a P-256 key (PKCS#8, PEM). `MESH_CERT_INVALID` for another key. */
export function writeCertificate(fields: CertificateFields, privateKeyPem: string): Uint8Array {
  const body = derSequence(
    VERSION_3,
    derInteger(fields.serial),
    signatureAlgorithm(),
    fields.issuerDer,
    derSequence(derTime(fields.notBeforeMs), derTime(fields.notAfterMs)),
    fields.subjectDer,
    fields.publicKeyDer,
    encodeDer(EXTENSIONS_TAG, derSequence(...fields.extensions)),
  );
  return signed(body, privateKeyPem);
}

/** A request for this key, signed with it. */
export function writeCertificateRequest(
  commonName: string,
  publicKeyDer: Uint8Array,
  privateKeyPem: string,
): Uint8Array {
  const body = derSequence(REQUEST_VERSION, nameDer(commonName), publicKeyDer, NO_ATTRIBUTES);
  return signed(body, privateKeyPem);
}

function signed(body: Uint8Array, privateKeyPem: string): Uint8Array {
  const key = p256Key(privateKeyPem);
  const signature = sign("sha256", body, { key, dsaEncoding: "der" });
  return derSequence(body, signatureAlgorithm(), derBitString(signature));
}

function signatureAlgorithm(): Uint8Array {
  return derSequence(derObjectId(OID.ecdsaWithSha256));
}

function p256Key(privateKeyPem: string): KeyObject {
  try {
    const key = createPrivateKey(privateKeyPem);
    if (key.asymmetricKeyDetails?.namedCurve === "prime256v1") return key;
  } catch {
    // Falls through to the one error below, which must not carry anything of the key.
  }
  throw new MeshError("MESH_CERT_INVALID", { message: "the private key is not a P-256 key" });
}

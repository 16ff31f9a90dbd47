/** The extensions that our certificates have (RFC 5280, 4.2.1), as DER. */
import { createHash } from "node:crypto";
import { CERTIFICATE_OIDS as OID } from "./certificate-oids.js";
import {
  DER_TRUE,
  derBitString,
  derInteger,
  derObjectId,
  derOctetString,
  derSequence,
  encodeDer,
} from "./der-write.js";
import { ipAddressBytes } from "./ip-address.js";

/** Bits of the first byte of a key usage, with how many bits follow the last one that is set. */
const DIGITAL_SIGNATURE = { bits: 0x80, unused: 7 };
const CERTIFICATE_AND_CRL_SIGN = { bits: 0x06, unused: 1 };
const KEY_ID_BYTES = 20;
const TAG = { dns: 0x82, uri: 0x86, ip: 0x87, keyId: 0x80, permitted: 0xa0 } as const;

export interface SubjectNames {
  readonly uris: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
}

/** Any extension: its object identifier as hexadecimal, and its value. */
export function extension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  const flag = critical ? DER_TRUE : new Uint8Array(0);
  return derSequence(derObjectId(id), flag, derOctetString(value));
}

/** A CA that issues leaves and no further CA, or no CA. */
export function basicConstraints(isCa: boolean): Uint8Array {
  const content = isCa ? [DER_TRUE, derInteger(Uint8Array.from([0]))] : [];
  return extension(OID.basicConstraints, true, derSequence(...content));
}

/** A CA signs certificates and lists; a leaf signs handshakes. */
export function keyUsage(isCa: boolean): Uint8Array {
  const { bits, unused } = isCa ? CERTIFICATE_AND_CRL_SIGN : DIGITAL_SIGNATURE;
  return extension(OID.keyUsage, true, derBitString(Uint8Array.from([bits]), unused));
}

/** Object identifiers as hexadecimal. */
export function extendedKeyUsage(usages: readonly string[]): Uint8Array {
  return extension(OID.extendedKeyUsage, false, derSequence(...usages.map(derObjectId)));
}

/** Throws `MESH_BAD_REQUEST` for an address that is none. */
export function subjectNames({ uris, dnsNames = [], ipAddresses = [] }: SubjectNames): Uint8Array {
  const ascii = (tag: number) => (text: string) => encodeDer(tag, Buffer.from(text, "latin1"));
  const names = [
    ...uris.map(ascii(TAG.uri)),
    ...dnsNames.map(ascii(TAG.dns)),
    ...ipAddresses.map((address) => encodeDer(TAG.ip, ipAddressBytes(address))),
  ];
  return extension(OID.subjectAlternativeName, false, derSequence(...names));
}

/** Below this CA, URI names only of exactly this host. */
export function uriNameConstraint(host: string): Uint8Array {
  const subtree = derSequence(encodeDer(TAG.uri, Buffer.from(host, "latin1")));
  return extension(OID.nameConstraints, true, derSequence(encodeDer(TAG.permitted, subtree)));
}

/** A CA's name for its own key: 160 bits of a hash of it (the idea of RFC 7093). */
export function keyIdOf(spkiDer: Uint8Array): Uint8Array {
  return createHash("sha256").update(spkiDer).digest().subarray(0, KEY_ID_BYTES);
}

export function subjectKeyId(keyId: Uint8Array): Uint8Array {
  return extension(OID.subjectKeyId, false, derOctetString(keyId));
}

export function authorityKeyId(keyId: Uint8Array): Uint8Array {
  return extension(OID.authorityKeyId, false, derSequence(encodeDer(TAG.keyId, keyId)));
}

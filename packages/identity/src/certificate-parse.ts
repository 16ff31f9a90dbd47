/**
 * Reads an X.509 v3 certificate (RFC 5280) from DER into the fields that trust depends on. Names
 * come from the DER itself and never from a printed form, which can be forged with separators in
 * a name (CVE-2021-44532). What we do not know and is marked critical is refused.
 */
import { CERTIFICATE_OIDS as OID } from "./certificate-oids.js";
import {
  bitStringBytes,
  DER_TAG,
  type DerElement,
  DerReader,
  derError,
  objectIdHex,
  readWhole,
} from "./der.js";

/** A certificate of ours has under 1 KiB. */
const CERTIFICATE_BYTES_MAX = 16 * 1024;
/** RFC 5280, 4.1.2.2. */
const SERIAL_BYTES_MAX = 20;
const URI_TAG = 0x86;

export interface ParsedCertificate {
  /** Lower-case hexadecimal, without a leading zero byte. */
  readonly serial: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Issuer and subject as DER, to be compared byte by byte. */
  readonly issuerDer: Uint8Array;
  readonly subjectDer: Uint8Array;
  readonly commonName: string | undefined;
  readonly publicKeyDer: Uint8Array;
  readonly isCa: boolean;
  readonly keyUsage: { readonly digitalSignature: boolean; readonly keyCertSign: boolean };
  /** Object identifiers as hexadecimal. */
  readonly extendedKeyUsages: readonly string[];
  /** URI names of the subject, in order. */
  readonly uris: readonly string[];
  /** By which certificates below a CA name its key. */
  readonly subjectKeyId: Uint8Array | undefined;
  /** The signed part and the signature (DER of an ECDSA signature). */
  readonly signedDer: Uint8Array;
  readonly signature: Uint8Array;
}

/** Throws `MESH_CERT_INVALID` for anything but one well-formed certificate of our algorithms. */
export function parseCertificate(der: Uint8Array): ParsedCertificate {
  if (der.length > CERTIFICATE_BYTES_MAX) throw derError("it is too large");
  const outer = new DerReader(readWhole(der, DER_TAG.sequence).content);
  const signed = outer.read(DER_TAG.sequence);
  checkSignatureAlgorithm(outer.read(DER_TAG.sequence));
  const signature = bitStringBytes(outer.read(DER_TAG.bitString));
  outer.end();

  const body = new DerReader(signed.content);
  const version = new DerReader(body.read(0xa0).content).read(DER_TAG.integer);
  if (version.content.length !== 1 || version.content[0] !== 2)
    throw derError("it is not version 3");
  const serial = parseSerial(body.read(DER_TAG.integer));
  checkSignatureAlgorithm(body.read(DER_TAG.sequence));
  const issuerDer = body.read(DER_TAG.sequence).raw;
  const validity = body.enter(DER_TAG.sequence);
  const notBeforeMs = parseTime(validity.read());
  const notAfterMs = parseTime(validity.read());
  validity.end();
  const subject = body.read(DER_TAG.sequence);
  const publicKeyDer = body.read(DER_TAG.sequence).raw;
  const extensions = parseExtensions(body.enter(0xa3));
  body.end();
  return {
    serial,
    notBeforeMs,
    notAfterMs,
    issuerDer,
    subjectDer: subject.raw,
    commonName: parseCommonName(subject),
    publicKeyDer,
    ...extensions,
    signedDer: signed.raw,
    signature,
  };
}

/** Only ecdsa-with-SHA256, without parameters (RFC 5758). */
export function checkSignatureAlgorithm(element: DerElement): void {
  const reader = new DerReader(element.content);
  const algorithm = objectIdHex(reader.read(DER_TAG.objectId));
  if (algorithm !== OID.ecdsaWithSha256 || !reader.done) {
    throw derError("it is not signed with ECDSA and SHA-256");
  }
}

function parseSerial(element: DerElement): string {
  const bytes = element.content;
  const [first = 0x80, second = 0x80] = bytes;
  const negative = (first & 0x80) !== 0;
  const padded = first === 0 && (second & 0x80) === 0;
  if (negative || padded || bytes.length > SERIAL_BYTES_MAX + 1) {
    throw derError("the serial number is not allowed");
  }
  return Buffer.from(first === 0 ? bytes.subarray(1) : bytes).toString("hex");
}

function parseTime(element: DerElement): number {
  const text = Buffer.from(element.content).toString("latin1");
  const isUtc = element.tag === DER_TAG.utcTime && /^\d{12}Z$/.test(text);
  const isGeneral = element.tag === DER_TAG.generalizedTime && /^\d{14}Z$/.test(text);
  if (!isUtc && !isGeneral) throw derError("a time is not allowed");
  // RFC 5280, 4.1.2.5.1: two digits from 50 on mean the last century.
  const century = Number(text.slice(0, 2)) >= 50 ? "19" : "20";
  const digits = isUtc ? century + text : text;
  const iso = digits.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z");
  const timeMs = Date.parse(iso);
  if (Number.isNaN(timeMs)) throw derError("a time does not exist");
  return timeMs;
}

function parseCommonName(subject: DerElement): string | undefined {
  const names = new DerReader(subject.content);
  while (!names.done) {
    const pair = names.enter(DER_TAG.set).enter(DER_TAG.sequence);
    const type = objectIdHex(pair.read(DER_TAG.objectId));
    const value = pair.read();
    if (type === OID.commonName) return Buffer.from(value.content).toString("utf8");
  }
  return undefined;
}

interface Extensions {
  isCa: boolean;
  keyUsage: { digitalSignature: boolean; keyCertSign: boolean };
  extendedKeyUsages: string[];
  uris: string[];
  subjectKeyId: Uint8Array | undefined;
}

function parseExtensions(wrapper: DerReader): Extensions {
  const list = wrapper.enter(DER_TAG.sequence);
  wrapper.end();
  const seen = new Set<string>();
  const found: Extensions = {
    isCa: false,
    keyUsage: { digitalSignature: false, keyCertSign: false },
    extendedKeyUsages: [],
    uris: [],
    subjectKeyId: undefined,
  };
  while (!list.done) {
    const extension = list.enter(DER_TAG.sequence);
    const id = objectIdHex(extension.read(DER_TAG.objectId));
    const critical = extension.readIf(DER_TAG.boolean)?.content[0] === 0xff;
    const value = extension.read(DER_TAG.octetString).content;
    extension.end();
    if (seen.has(id)) throw derError("an extension comes twice");
    seen.add(id);
    readExtension(id, critical, value, found);
  }
  return found;
}

function readExtension(id: string, critical: boolean, value: Uint8Array, found: Extensions): void {
  switch (id) {
    case OID.basicConstraints: {
      const fields = new DerReader(readWhole(value, DER_TAG.sequence).content);
      found.isCa = fields.readIf(DER_TAG.boolean)?.content[0] === 0xff;
      return;
    }
    case OID.keyUsage: {
      const bits = readWhole(value, DER_TAG.bitString).content[1] ?? 0;
      found.keyUsage = {
        digitalSignature: (bits & 0x80) !== 0,
        keyCertSign: (bits & 0x04) !== 0,
      };
      return;
    }
    case OID.extendedKeyUsage: {
      const usages = new DerReader(readWhole(value, DER_TAG.sequence).content);
      while (!usages.done) found.extendedKeyUsages.push(objectIdHex(usages.read(DER_TAG.objectId)));
      return;
    }
    case OID.subjectAlternativeName: {
      const names = new DerReader(readWhole(value, DER_TAG.sequence).content);
      while (!names.done) {
        const name = names.read();
        if (name.tag === URI_TAG) found.uris.push(Buffer.from(name.content).toString("latin1"));
      }
      return;
    }
    case OID.subjectKeyId:
      found.subjectKeyId = readWhole(value, DER_TAG.octetString).content;
      return;
    case OID.nameConstraints:
      // Checked by TLS; we compare the one trust domain ourselves, which is stricter.
      return;
    default:
      if (critical) throw derError("it has a critical extension that is not known here");
  }
}

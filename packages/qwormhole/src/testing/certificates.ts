/**
 * Throwaway certificates for tests of TLS links: a small authority (RFC 5280, P-256 or Ed25519)
 * without any dependency. Never for use outside tests: the keys lie in memory as text and nothing
 * is checked.
 */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { linkIdentityOf } from "../keys.js";
import type { LinkIdentity } from "../link.js";
import type { TlsCredentials } from "../tls-transport.js";

export interface TestCertificateOptions {
  keyType?: "p256" | "ed25519";
  /** UTCTime without its Z, such as `200101000000`. */
  notBefore?: string;
  notAfter?: string;
}

export interface TestNode {
  readonly credentials: TlsCredentials;
  readonly identity: LinkIdentity;
}

export interface TestAuthority {
  readonly caPem: string;
  issue(name: string, options?: TestCertificateOptions): TestNode;
}

export function testAuthority(name = "test authority"): TestAuthority {
  const key = makeKey("p256");
  let serial = 1;
  const caPem = certificate(name, name, key, key, serial, true, {});
  return {
    caPem,
    issue(subject, options = {}) {
      const leafKey = makeKey(options.keyType ?? "p256");
      serial++;
      return {
        identity: linkIdentityOf(leafKey),
        credentials: {
          keyPem: leafKey.export({ format: "pem", type: "pkcs8" }).toString(),
          certificatePem: certificate(subject, name, leafKey, key, serial, false, options),
          caPem,
        },
      };
    },
  };
}

/** A link identity with a new key, for transports without certificates. */
export function testIdentity(keyType: "p256" | "ed25519" = "ed25519"): LinkIdentity {
  return linkIdentityOf(makeKey(keyType));
}

function makeKey(keyType: "p256" | "ed25519"): KeyObject {
  return keyType === "p256"
    ? generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey
    : generateKeyPairSync("ed25519").privateKey;
}

const ECDSA_WITH_SHA256 = sequence(tlv(0x06, hex("2a8648ce3d040302")));
const COMMON_NAME = tlv(0x06, hex("550403"));
const BASIC_CONSTRAINTS = tlv(0x06, hex("551d13"));

function certificate(
  subject: string,
  issuer: string,
  key: KeyObject,
  issuerKey: KeyObject,
  serial: number,
  isAuthority: boolean,
  options: TestCertificateOptions,
): string {
  const constraints = isAuthority ? sequence(tlv(0x01, hex("ff"))) : sequence();
  const extension = sequence(BASIC_CONSTRAINTS, tlv(0x01, hex("ff")), tlv(0x04, constraints));
  const unsigned = sequence(
    tlv(0xa0, tlv(0x02, hex("02"))),
    tlv(0x02, Uint8Array.of(serial & 0x7f)),
    ECDSA_WITH_SHA256,
    nameOf(issuer),
    sequence(time(options.notBefore ?? "200101000000"), time(options.notAfter ?? "491231235959")),
    nameOf(subject),
    Buffer.from(linkIdentityOf(key).publicKey),
    tlv(0xa3, sequence(extension)),
  );
  const signature = sign("sha256", unsigned, issuerKey);
  const der = sequence(unsigned, ECDSA_WITH_SHA256, tlv(0x03, Uint8Array.of(0), signature));
  const lines = der.toString("base64").replace(/(.{64})(?=.)/g, "$1\n");
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

function nameOf(commonName: string): Buffer {
  return sequence(tlv(0x31, sequence(COMMON_NAME, tlv(0x0c, Buffer.from(commonName)))));
}

function time(utc: string): Buffer {
  return tlv(0x17, Buffer.from(`${utc}Z`));
}

function sequence(...parts: Uint8Array[]): Buffer {
  return tlv(0x30, ...parts);
}

function hex(text: string): Buffer {
  return Buffer.from(text, "hex");
}

/** A DER element. */
function tlv(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Uint8Array.of(tag, ...size), content]);
}

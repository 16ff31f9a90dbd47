/** PEM (RFC 7468): one labelled block of base64. */
import { MeshError } from "@hearthmesh/core";

export type PemLabel = "CERTIFICATE" | "CERTIFICATE REQUEST" | "PUBLIC KEY" | "PRIVATE KEY";

export function encodePem(label: PemLabel, der: Uint8Array): string {
  const base64 = Buffer.from(der).toString("base64");
  const lines = base64.match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** The bytes of the first block with that label. Throws `MESH_CERT_INVALID` when there is none. */
export function decodePem(label: PemLabel, pem: string): Uint8Array {
  const begin = `-----BEGIN ${label}-----`;
  const start = pem.indexOf(begin);
  const end = start < 0 ? -1 : pem.indexOf(`-----END ${label}-----`, start);
  const body = end < 0 ? "" : pem.slice(start + begin.length, end).replace(/\s+/g, "");
  if (body.length === 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(body)) {
    throw new MeshError("MESH_CERT_INVALID", {
      message: `the text holds no readable ${label.toLowerCase()} in PEM`,
    });
  }
  return Buffer.from(body, "base64");
}

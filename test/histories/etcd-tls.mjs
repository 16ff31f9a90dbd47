/** Certificates for the members and clients of one recording; nothing of them is kept. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock, systemRandom } from "@hearthmesh/core";
import {
  createStoreCa,
  generateKeyPair,
  issueStoreCertificate,
  publicKeyDerOf,
} from "@hearthmesh/identity";

const VALIDITY_MS = 86_400_000;

/**
 * The flags of members that have these addresses, and what clients show and trust.
 * @param {string} folder
 * @param {readonly string[]} ipAddresses
 */
export async function makeTls(folder, ipAddresses) {
  const tools = { clock: systemClock(), random: systemRandom() };
  const ca = await createStoreCa({ memberId: "history", trustDomain: "home.history", ...tools });
  const issue = async (name, names) => {
    const keys = generateKeyPair(tools.random);
    const publicKeyDer = publicKeyDerOf(keys.publicKeyPem);
    const options = { ca, publicKeyDer, name, validityMs: VALIDITY_MS, ...names, ...tools };
    const certificatePem = await issueStoreCertificate(options);
    return { certificatePem, privateKeyPem: keys.privateKeyPem };
  };
  const server = await issue("member", { ipAddresses: ["127.0.0.1", ...ipAddresses] });
  const client = await issue("client", {});
  mkdirSync(folder, { mode: 0o700 });
  const file = (name, text) => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const flags = [
    `--trusted-ca-file=${file("ca.pem", ca.certificatePem)}`,
    `--cert-file=${file("member.pem", server.certificatePem)}`,
    `--key-file=${file("member-key.pem", server.privateKeyPem)}`,
    "--client-cert-auth=true",
  ];
  return { flags, tls: { caCertificatePem: ca.certificatePem, ...client } };
}
